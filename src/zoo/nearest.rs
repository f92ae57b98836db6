//! Names that a mistyped name may stand for.

/// The `count` names nearest to `wanted`, nearest first. A name that begins like `wanted` counts as near.
pub(super) fn nearest<'a>(wanted: &str, names: impl Iterator<Item = &'a str>, count: usize) -> Vec<&'a str> {
    let wanted = wanted.to_lowercase();
    let mut ranked: Vec<(usize, &str)> = names
        .map(|name| {
            let begins = wanted.len() >= 3 && (name.starts_with(&wanted) || wanted.starts_with(name));
            (if begins { 0 } else { edits(&wanted, name) }, name)
        })
        .collect();
    ranked.sort();
    ranked.into_iter().take(count).map(|(_, name)| name).collect()
}

/// Levenshtein distance: insertions, deletions and replacements of characters.
fn edits(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, &y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        let cases =
            [("", "", 0), ("", "abc", 3), ("kitten", "sitting", 3), ("unet", "unet", 0), ("ab", "ba", 2)];
        let wrong: Vec<_> = cases.into_iter().filter(|(a, b, expected)| edits(a, b) != *expected).collect();
        assert!(wrong.is_empty(), "{wrong:?}");
    }

    #[test]
    fn beginnings_come_first() {
        let names = ["vgg16", "unet-mnv2", "segnet", "resnet18"];
        assert_eq!(nearest("unet", names.into_iter(), 1), ["unet-mnv2"]);
        assert_eq!(nearest("resnet", names.into_iter(), 1), ["resnet18"]);
        assert_eq!(nearest("segnett", names.into_iter(), 1), ["segnet"]);
    }
}
