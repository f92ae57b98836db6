//! Names that a mistyped name may stand for.

/// The `count` names nearest to `wanted`, nearest first. A name may be shortened at a dash, which counts as one edit.
pub(super) fn nearest<'a>(wanted: &str, names: impl Iterator<Item = &'a str>, count: usize) -> Vec<&'a str> {
    let wanted = wanted.to_lowercase();
    let distance = |name: &str| {
        let shortened = name.match_indices('-').map(|(dash, _)| 1 + edits(&wanted, &name[..dash]));
        shortened.fold(edits(&wanted, name), usize::min)
    };
    let mut ranked: Vec<(usize, &str)> = names.map(|name| (distance(name), name)).collect();
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
    fn nearest_of_names() {
        let names = ["vgg16", "unet-mnv2", "segnet", "resnet18", "deeplabv3-mnv2"];
        let cases = [
            ("unet", "unet-mnv2"),
            ("unett", "unet-mnv2"),
            ("UNet-mnv3", "unet-mnv2"),
            ("resnet", "resnet18"),
            ("segnett", "segnet"),
            ("deeplab", "deeplabv3-mnv2"),
        ];
        let wrong: Vec<_> = cases
            .into_iter()
            .filter(|(name, first)| nearest(name, names.into_iter(), 1) != [*first])
            .collect();
        assert!(wrong.is_empty(), "{wrong:?}");
    }
}
