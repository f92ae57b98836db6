//! What a segment is, by a block or two of it.

use super::entry::RECORD_BYTES_MIN;
use super::footer::Summary;
use super::format::{StoreId, VERSION};
use super::header::{Header, NoHeader};
use super::recover::Unrecovered;
use super::scan::{read_footer, read_header};
use super::volume::Content;

/// What a segment is by its footer and its header.
pub(super) enum Look {
    /// It is the store's, and closed.
    Sealed(Summary),
    /// It is the store's, and was not closed; the end of its header.
    Unsealed(Header, usize),
    /// It is another store's, or nobody can tell whose it is. Its numbers are all below `end`, and stay taken.
    Foreign { end: u64, may_be_own: bool },
}

/// Looks whose a segment is. Its footer is read first, and of a closed segment nothing else: there may be thousands, and
/// the card is slow.
pub(super) fn look(
    content: &dyn Content,
    first: u64,
    id: StoreId,
    in_doubt: bool,
) -> Result<Look, Unrecovered> {
    let footer = read_footer(content)?;
    let known = |version| match version {
        VERSION => Ok(()),
        other => Err(Unrecovered::Version(first, other)),
    };
    // As many as could be in it: they need not be known, only left alone.
    let end_max = first + 1 + content.length()? / RECORD_BYTES_MIN as u64;
    let owner = footer.as_ref().and_then(|footer| footer.owner);
    if let (Some(summary), Some(owner)) = (&footer, owner) {
        known(owner.version)?;
        match owner.id == id {
            // A footer that was written when the last sync failed proves nothing.
            true if in_doubt => {}
            true => return Ok(Look::Sealed(summary.clone())),
            false => return Ok(Look::Foreign { end: summary.last.max(first) + 1, may_be_own: false }),
        }
    }
    let header = match read_header(content)? {
        Ok(header) => header,
        Err(NoHeader::Version(version)) => return Err(Unrecovered::Version(first, version)),
        Err(NoHeader::Damaged) => {
            let end = footer.map_or(end_max, |footer| footer.last.max(first) + 1);
            return Ok(Look::Foreign { end, may_be_own: true });
        }
    };
    Ok(match (header, footer) {
        ((header, _), Some(summary)) if header.id == id && !in_doubt => Look::Sealed(summary),
        ((header, start), _) if header.id == id => Look::Unsealed(header, start),
        (_, Some(summary)) => Look::Foreign { end: summary.last.max(first) + 1, may_be_own: false },
        (_, None) => Look::Foreign { end: end_max, may_be_own: false },
    })
}
