//! What a start costs on a card with the segments of a month.

use super::*;
use crate::store::segments::Sync;
use crate::store::segments::format::{BLOCK, first_of, segment_name};

/// Masks whose record fills a segment of the smallest size.
fn large(seed: u64) -> Mask {
    let mut random = Random(seed);
    Mask { width: 200, height: 120, data: (0..24_000).map(|_| random.next() as u8 & 1).collect() }
}

fn options() -> StoreOptions {
    StoreOptions { segment_bytes: 4096, sync: Sync::Record, ..StoreOptions::default() }
}

/// A card with so many sealed segments of a record each, and a last one that is open.
fn month(segments: u64) -> Simulated {
    let card = Simulated::new(1 << 30);
    let (mut store, _) = open(&card, &start(), &options()).unwrap();
    for seed in 0..segments {
        store.put(&RecordMeta::default(), &large(seed)).unwrap();
    }
    let (meta, mask) = frame(segments);
    store.put(&meta, &mask).unwrap();
    assert_eq!(store.status().segments, segments + 1);
    card
}

/// A card with a new store among the segments of another, each changed by `change`.
fn card_with(other: &Simulated, change: fn(&mut Vec<u8>)) -> Simulated {
    let card = Simulated::new(1 << 30);
    open(&card, &start(), &options()).unwrap().0.close().unwrap();
    let names: Vec<String> = other.lock().names().filter(|name| first_of(name).is_some()).collect();
    for name in names {
        let mut bytes = other.lock().file(&name).unwrap().to_vec();
        change(&mut bytes);
        card.lock().put_file(&name, &bytes);
    }
    card
}

#[test]
fn a_start_reads_a_block_or_two_of_a_segment() {
    const SEGMENTS: u64 = 1000;
    let own = month(SEGMENTS);
    let without_footer: fn(&mut Vec<u8>) = |bytes| bytes.truncate(bytes.len() - BLOCK as usize);
    // Name, card, whether the segments are its own, blocks that may be read of each.
    let cases = [
        ("its own", own.clone(), true, 1),
        ("another store's", card_with(&own, |_| ()), false, 1),
        ("another store's without footers", card_with(&own, without_footer), false, 2),
        ("zeros under their names", card_with(&own, |bytes| bytes.fill(0)), false, 2),
    ];
    let mut wrong = Vec::new();
    for (name, card, is_own, blocks) in cases {
        let files: u64 = card.lock().used_bytes();
        card.lock().read_bytes = 0;
        let (mut store, recovery) = open(&card, &start(), &options()).unwrap();
        let read = card.lock().read_bytes;
        // A footer may begin in the block before the last, and the open segment is read as a whole.
        if read > (SEGMENTS * blocks + SEGMENTS / 8) * BLOCK || read * 2 > files * blocks {
            wrong.push(format!("{name}: {read} bytes are read of {files}"));
        }
        let expected = if is_own { (SEGMENTS + 1, 0) } else { (0, SEGMENTS + 1) };
        if (recovery.segments, recovery.foreign) != expected {
            wrong.push(format!("{name}: {recovery:?}"));
        }
        // Nothing that is there is written over.
        let taken = store.put(&RecordMeta::default(), &large(0)).unwrap().sequence;
        if taken <= SEGMENTS || card.lock().file(&segment_name(taken)).is_none() && !is_own {
            wrong.push(format!("{name}: the next number is {taken}"));
        }
        store.close().unwrap();
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_later_programs_segments_are_told_by_their_footers() {
    let card = month(2);
    let name = segment_name(1);
    let mut bytes = card.lock().file(&name).unwrap().to_vec();
    // The version in the footer, behind one index entry.
    let footer = bytes.len() - BLOCK as usize
        + bytes[bytes.len() - BLOCK as usize..].windows(4).position(|mark| mark == b"SDGF").unwrap();
    bytes[footer + 76 + 16] = 9;
    let end = bytes.len() - 12;
    let checksum = crc32fast::hash(&bytes[footer..end]);
    bytes[end..end + 4].copy_from_slice(&checksum.to_le_bytes());
    card.lock().put_file(&name, &bytes);
    let opened = open(&card, &start(), &options()).map(|_| ());
    assert!(matches!(&opened, Err(StoreError::Version { version: 9, .. })), "{opened:?}");
}
