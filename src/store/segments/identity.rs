//! Whose store a folder is: the id in its file, and what the segments say where that file is damaged or gone.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::io;

use super::budget::SYNC_BYTES;
use super::format::{BLOCK, ID_FILE, StoreId, UNFINISHED, id_text, parse_id, segment_name};
use super::scan::{read_footer, read_header};
use super::volume::{Content, Folder};

/// How the file with a store's id is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IdFile {
    /// Whole.
    #[default]
    Whole,
    /// Whole as far as can be told: of an earlier program, which wrote no checksum.
    Unchecked,
    /// It is not there, though segments are.
    Missing,
    /// It is not what the store wrote.
    Damaged,
}

/// A store's id, and where it comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    pub id: StoreId,
    pub file: IdFile,
}

/// The id of the store whose segments begin with the records `firsts`, in rising order: that of its file, or else the
/// one that most segments bear. `None` where neither tells one.
pub(super) fn find(folder: &dyn Folder, firsts: &[u64]) -> io::Result<Option<Identity>> {
    let file = match read_file(folder)? {
        Some(Some((id, true))) => return Ok(Some(Identity { id, file: IdFile::Whole })),
        Some(Some((id, false))) => {
            let mut others = false;
            for &first in firsts.iter().rev() {
                match owner_of(folder, first)? {
                    Some(owner) if owner == id => return Ok(Some(Identity { id, file: IdFile::Unchecked })),
                    owner => others |= owner.is_some(),
                }
            }
            if !others {
                return Ok(Some(Identity { id, file: IdFile::Unchecked }));
            }
            IdFile::Damaged
        }
        Some(None) => IdFile::Damaged,
        None => IdFile::Missing,
    };
    let mut owners: BTreeMap<StoreId, (usize, u64)> = BTreeMap::new();
    for &first in firsts {
        if let Some(id) = owner_of(folder, first)? {
            let (count, newest) = owners.entry(id).or_default();
            (*count, *newest) = (*count + 1, first);
        }
    }
    let most = owners.into_iter().max_by_key(|&(_, of_segments)| of_segments);
    Ok(most.map(|(id, _)| Identity { id, file }))
}

/// The store's id: that of its file, else what the segments say, else a new one; and how the file was. It is there and
/// whole afterwards, unless the card is full: then the segments tell again at the next start. The last number is of the
/// bytes written.
pub(super) fn take_up(folder: &mut dyn Folder, firsts: &[u64]) -> io::Result<(StoreId, IdFile, u64)> {
    let found = find(folder, firsts)?;
    if let Some(Identity { id, file: IdFile::Whole }) = found {
        return Ok((id, IdFile::Whole, 0));
    }
    let (id, file) = match found {
        Some(found) => (found.id, found.file),
        None => (new_id(), IdFile::Whole),
    };
    match write(folder, &id) {
        Err(error) if error.kind() == io::ErrorKind::StorageFull && found.is_some() => Ok((id, file, 0)),
        written => written.map(|()| (id, file, BLOCK + 2 * SYNC_BYTES)),
    }
}

/// Writes the file with the id anew.
fn write(folder: &mut dyn Folder, id: &StoreId) -> io::Result<()> {
    let unfinished = format!("{ID_FILE}{UNFINISHED}");
    let written = folder.create(&unfinished).and_then(|mut file| {
        file.append(id_text(id).as_bytes())?;
        file.sync()
    });
    if let Err(error) = written {
        // What is left means nothing, and the next start removes it where this fails.
        let _ = folder.remove(&unfinished);
        return Err(error);
    }
    folder.rename(&unfinished, ID_FILE)?;
    folder.sync()
}

/// An id that no other store has; it need not be secret.
fn new_id() -> StoreId {
    let random = || u128::from(RandomState::new().hash_one(0));
    (random() << 64 | random()).to_be_bytes()
}

/// Whose a segment is, by its footer or else by its header.
pub(super) fn owner(content: &dyn Content) -> io::Result<Option<StoreId>> {
    if let Some(owner) = read_footer(content)?.and_then(|footer| footer.owner) {
        return Ok(Some(owner.id));
    }
    Ok(read_header(content)?.ok().map(|(header, _)| header.id))
}

/// Whose the segment is that begins with the record `first`; `None` where it is gone or nobody can tell.
pub(super) fn owner_of(folder: &dyn Folder, first: u64) -> io::Result<Option<StoreId>> {
    match folder.read(&segment_name(first)) {
        // The quota of a writer at work may have removed it.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        content => owner(&*content?),
    }
}

/// What the file with the id holds: `None` without a file, `Some(None)` where it is damaged, else the id and whether a
/// checksum vouches for it.
fn read_file(folder: &dyn Folder) -> io::Result<Option<Option<(StoreId, bool)>>> {
    let content = match folder.read(ID_FILE) {
        Ok(content) => content,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut text = [0; 80];
    let read = content.read_at(0, &mut text)?;
    Ok(Some(parse_id(&text[..read])))
}
