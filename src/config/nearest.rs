//! Which known word an unknown one resembles.

/// The known word with the smallest distance to `word`, where that is small enough for a slip of the fingers: a third
/// of the longer word's letters. A word that is the other's beginning or end counts as near too.
pub fn nearest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    known
        .map(|candidate| (distance(word, candidate), candidate))
        .filter(|&(distance, candidate)| {
            let longer = word.chars().count().max(candidate.chars().count());
            let part = word.len() >= 3
                && candidate.len() >= 3
                && (word.starts_with(candidate)
                    || candidate.starts_with(word)
                    || word.ends_with(candidate)
                    || candidate.ends_with(word));
            distance <= longer / 3 || part
        })
        .min_by_key(|&(distance, _)| distance)
        .map(|(_, candidate)| candidate)
}

/// Edit distance (Levenshtein) with letters of either case the same and two exchanged neighbors as one step
/// (optimal string alignment).
fn distance(a: &str, b: &str) -> usize {
    let [a, b] = [a, b].map(|word| word.to_lowercase().chars().take(100).collect::<Vec<char>>());
    let mut before_last = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let change = last[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = change.min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                let exchanged: &Vec<usize> = &before_last;
                best = best.min(exchanged[j - 2] + 1);
            }
            row.push(best);
        }
        before_last = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}
