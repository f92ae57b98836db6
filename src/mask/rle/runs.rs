//! The store's run-lengths: all classes of a mask at once, row by row.

/// Appends the runs of `data`: for each run its class id (one byte) and its length (LEB128: seven bits a byte, the
/// lowest first, the high bit set on all but the last). Runs go on over the ends of rows.
pub fn encode_runs(data: &[u8], out: &mut Vec<u8>) {
    for run in data.chunk_by(|a, b| a == b) {
        out.push(run[0]);
        let mut length = run.len();
        while length >= 0x80 {
            out.push(length as u8 | 0x80);
            length >>= 7;
        }
        out.push(length as u8);
    }
}

/// The ids that `runs` stand for, if they are exactly `pixels`. Nothing is allocated before that is known.
pub fn decode_runs(runs: &[u8], pixels: usize) -> Option<Vec<u8>> {
    let mut sum = 0_usize;
    let mut left = runs;
    while !left.is_empty() {
        let (_, length) = next(&mut left)?;
        sum = sum.checked_add(length).filter(|&sum| sum <= pixels)?;
    }
    if sum != pixels {
        return None;
    }
    let mut data = Vec::with_capacity(pixels);
    let mut left = runs;
    while let Some((id, length)) = next(&mut left) {
        data.resize(data.len() + length, id);
    }
    Some(data)
}

/// The next run: its id and its length, which is at least 1 and below 2^35.
fn next(runs: &mut &[u8]) -> Option<(u8, usize)> {
    let (&id, mut rest) = runs.split_first()?;
    let mut length = 0_u64;
    for shift in (0..35).step_by(7) {
        let (&byte, after) = rest.split_first()?;
        rest = after;
        length |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            *runs = rest;
            return usize::try_from(length).ok().filter(|&length| length > 0).map(|length| (id, length));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn runs_by_hand() {
        // Ids, their runs.
        let cases: [(Vec<u8>, &[u8]); 4] = [
            (vec![], &[]),
            (vec![7], &[7, 1]),
            (vec![0, 0, 3, 0], &[0, 2, 3, 1, 0, 1]),
            (vec![5; 300], &[5, 0xac, 0x02]),
        ];
        let mut wrong = Vec::new();
        for (data, runs) in cases {
            let mut encoded = Vec::new();
            encode_runs(&data, &mut encoded);
            if encoded != runs || decode_runs(runs, data.len()).as_ref() != Some(&data) {
                wrong.push(format!("{data:?}: {encoded:?}"));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    #[test]
    fn wrong_runs_are_refused() {
        let cases: [(&str, &[u8], usize); 6] = [
            ("too few pixels", &[1, 3], 4),
            ("too many pixels", &[1, 5], 4),
            ("no length", &[1, 4, 2], 4),
            ("length cut short", &[1, 0x84], 4),
            ("a run of nothing", &[1, 4, 2, 0], 4),
            ("a length that does not end", &[1, 0x80, 0x80, 0x80, 0x80, 0x80, 1], 4),
        ];
        let wrong: Vec<_> =
            cases.into_iter().filter(|(_, runs, pixels)| decode_runs(runs, *pixels).is_some()).collect();
        assert!(wrong.is_empty(), "{wrong:?}");
    }

    proptest! {
        #[test]
        fn round_trip(data in proptest::collection::vec(0_u8..3, 0..2000)) {
            let mut runs = Vec::new();
            encode_runs(&data, &mut runs);
            prop_assert_eq!(decode_runs(&runs, data.len()), Some(data));
        }

        #[test]
        fn any_bytes_are_runs_or_refused(runs in proptest::collection::vec(any::<u8>(), 0..64), pixels in 0_usize..5000) {
            if let Some(data) = decode_runs(&runs, pixels) {
                prop_assert_eq!(data.len(), pixels);
            }
        }
    }
}
