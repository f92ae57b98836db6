//! The simulated card is as unkind as it says.

use std::io;
use std::path::Path;

use super::*;
use crate::store::segments::volume::{Folder, MountRule, Volume};

fn folder(card: &Simulated) -> Box<dyn Folder> {
    card.open(Path::new("/"), &MountRule::default(), true).unwrap()
}

/// All that a thousand crashes leave of the file `a`: absent, or its bytes.
fn outcomes(card: &Simulated) -> Vec<Option<Vec<u8>>> {
    let disk = card.lock();
    let outcome = |seed| disk.after_crash(&mut Random(seed)).file("a").map(<[u8]>::to_vec);
    (0..1000).map(outcome).collect()
}

#[test]
fn nothing_holds_without_its_sync() {
    let bytes = [7_u8; 2 * SECTOR];
    // Whether the file and the folder are synced; whether the name and the bytes then hold in every crash.
    let cases = [(false, false), (true, false), (false, true), (true, true)];
    let mut wrong = Vec::new();
    for (file_synced, folder_synced) in cases {
        let card = Simulated::new(1 << 20);
        let mut folder = folder(&card);
        let mut file = folder.create("a").unwrap();
        file.append(&bytes).unwrap();
        if file_synced {
            file.sync().unwrap();
        }
        if folder_synced {
            folder.sync().unwrap();
        }
        let outcomes = outcomes(&card);
        let named = outcomes.iter().filter(|outcome| outcome.is_some()).count();
        let whole = outcomes.iter().flatten().filter(|outcome| outcome[..] == bytes).count();
        if (named == 1000) != folder_synced || (whole == named) != file_synced || named == 0 || whole == 0 {
            wrong.push(format!("{file_synced} {folder_synced}: {named} named, {whole} whole"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn synced_sectors_hold_and_shared_ones_do_not() {
    let card = Simulated::new(1 << 20);
    let mut folder = folder(&card);
    let mut file = folder.create("a").unwrap();
    file.append(&[7; SECTOR + 10]).unwrap();
    file.sync().unwrap();
    folder.sync().unwrap();
    file.append(&[8; SECTOR]).unwrap();
    let outcomes: Vec<_> = outcomes(&card).into_iter().flatten().collect();
    assert!(outcomes.iter().all(|bytes| bytes[..SECTOR] == [7; SECTOR]));
    assert!(outcomes.iter().any(|bytes| bytes[SECTOR..SECTOR + 10] != [7; 10]));
}

#[test]
fn a_failed_sync_is_not_made_up_for() {
    let card = Simulated::new(1 << 20);
    let mut folder = folder(&card);
    let mut file = folder.create("a").unwrap();
    folder.sync().unwrap();
    file.append(&[7; SECTOR]).unwrap();
    let number = card.lock().operations;
    card.lock().failing = Some((number..number + 1, Failure::Input));
    assert!(file.sync().is_err());
    file.sync().unwrap();
    assert_eq!(card.lock().file("a"), Some(&[7; SECTOR][..]));
    assert!(outcomes(&card).iter().flatten().all(|bytes| bytes[..] != [7; SECTOR]));
    // Cut and written again it holds.
    file.truncate(0).unwrap();
    file.append(&[7; SECTOR]).unwrap();
    file.sync().unwrap();
    assert!(outcomes(&card).iter().flatten().all(|bytes| bytes[..] == [7; SECTOR]));
}

#[test]
fn a_full_card_takes_what_fits() {
    let card = Simulated::new(100);
    card.lock().foreign_bytes = 40;
    let mut folder = folder(&card);
    let mut file = folder.create("a").unwrap();
    assert_eq!(file.append(&[7; 80]).unwrap_err().kind(), io::ErrorKind::StorageFull);
    assert_eq!(card.lock().file("a"), Some(&[7; 60][..]));
}
