//! A store whose file with the id is damaged, gone or exchanged: nothing is hidden, and the damage is told.

use super::*;
use crate::store::segments::IdFile;
use crate::store::segments::format::{ID_FILE, first_of};

const MASKS: u64 = 60;

fn options() -> StoreOptions {
    StoreOptions { segment_bytes: 4096, ..StoreOptions::default() }
}

/// A card with sealed segments and an open one, all closed properly.
fn card() -> Simulated {
    let card = Simulated::new(1 << 20);
    let (mut store, _) = open(&card, &start(), &options()).unwrap();
    for seed in 0..MASKS {
        let (meta, mask) = frame(seed);
        store.put(&meta, &mask).unwrap();
        if seed == MASKS / 2 {
            store.close().unwrap();
            store = open(&card, &start(), &options()).unwrap().0;
        }
    }
    store.close().unwrap();
    card
}

#[test]
fn a_damaged_id_hides_nothing() {
    let id_bytes = card().lock().file(ID_FILE).unwrap().len();
    type Change = Box<dyn Fn(&mut Vec<u8>)>;
    let mut cases: Vec<(String, Change, IdFile)> = (0..id_bytes)
        .flat_map(|at| [1_u8, 0x80].map(|bit| (at, bit)))
        .map(|(at, bit)| {
            let change: Change = Box::new(move |bytes| bytes[at] ^= bit);
            (format!("byte {at} changed by {bit}"), change, IdFile::Damaged)
        })
        .collect();
    let old = |bytes: &mut Vec<u8>| {
        bytes.truncate(46);
        bytes.push(b'\n');
    };
    cases.extend::<[(String, Change, IdFile); 4]>([
        ("empty".into(), Box::new(Vec::clear), IdFile::Damaged),
        ("zeros".into(), Box::new(|bytes| bytes.fill(0)), IdFile::Damaged),
        ("of an earlier program".into(), Box::new(old), IdFile::Unchecked),
        (
            "of an earlier program, with another digit".into(),
            Box::new(move |bytes| {
                old(bytes);
                bytes[20] = if bytes[20] == b'7' { b'8' } else { b'7' };
            }),
            IdFile::Damaged,
        ),
    ]);
    let mut wrong = Vec::new();
    for (name, change, expected) in &cases {
        let card = card();
        let mut bytes = card.lock().file(ID_FILE).unwrap().to_vec();
        change(&mut bytes);
        card.lock().put_file(ID_FILE, &bytes);
        wrong.extend(wrong_with(&card, *expected).map(|why| format!("{name}: {why}")));
    }
    let without = card();
    without.lock().remove_file(ID_FILE);
    wrong.extend(wrong_with(&without, IdFile::Missing).map(|why| format!("missing: {why}")));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What is wrong with how readers, the check and a writer take the card.
fn wrong_with(card: &Simulated, expected: IdFile) -> Option<String> {
    let reader = StoreReader::open_on(card, Path::new(FOLDER)).unwrap();
    let told = reader.id_file();
    let read = reader.filter(|stored| stored.as_ref().is_ok_and(is_right)).count() as u64;
    let report = verified(card);
    let must_fail = matches!(expected, IdFile::Damaged | IdFile::Missing);
    if (told, read, report.whole, report.id_file) != (expected, MASKS, MASKS, expected) {
        return Some(format!("{read} masks are read, {told:?}, {report:?}"));
    }
    if report.is_whole() == must_fail || must_fail != report.to_string().contains("store.id") {
        return Some(format!("the check says {report}"));
    }
    let (store, recovery) = open(card, &start(), &options()).unwrap();
    if (recovery.records, recovery.id_file, recovery.foreign) != (MASKS, expected, 0) {
        return Some(format!("{recovery:?}"));
    }
    store.close().unwrap();
    let again = open(card, &start(), &options()).unwrap().1;
    let whole = again.id_file == IdFile::Whole && again.records == MASKS && verified(card).is_whole();
    (!whole).then(|| format!("then {again:?}, {:?}", verified(card)))
}

#[test]
fn a_full_card_with_a_damaged_id_goes_on() {
    let card = card();
    card.lock().put_file(ID_FILE, b"?");
    let used = card.lock().used_bytes();
    card.lock().capacity = used;
    // No segment has to be sealed at once.
    let (mut store, recovery) = open(&card, &start(), &StoreOptions::default()).unwrap();
    assert_eq!((recovery.records, recovery.id_file), (MASKS, IdFile::Damaged));
    let (meta, mask) = frame(MASKS);
    store.put(&meta, &mask).unwrap();
    assert_eq!(store.close().unwrap().listed, 1);
}

#[test]
fn segments_of_no_readable_store_are_told() {
    // Another store's file in place of this one's: nothing of what is there is its own.
    let card = card();
    let other = Simulated::new(1 << 20);
    open(&other, &start(), &options()).unwrap().0.close().unwrap();
    let id = other.lock().file(ID_FILE).unwrap().to_vec();
    card.lock().put_file(ID_FILE, &id);
    let segments = card.lock().names().filter(|name| first_of(name).is_some()).count() as u64;
    let report = verified(&card);
    assert_eq!((report.whole, report.foreign, report.is_whole()), (0, segments, false));
    assert!(report.to_string().contains("belong to another store"), "{report}");
    assert_eq!(open(&card, &start(), &options()).unwrap().1.foreign, segments);
}
