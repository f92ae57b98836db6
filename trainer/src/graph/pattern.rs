//! Shell-like patterns of names: `*` stands for any characters, `?` for one.

/// Whether `name` fits `pattern`.
pub(super) fn fits(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    let (mut at, mut place) = (0, 0);
    // The last star, and where in the name what follows it was tried.
    let mut star: Option<(usize, usize)> = None;
    while place < name.len() {
        match pattern.get(at) {
            Some('*') => {
                star = Some((at, place));
                at += 1;
            }
            Some(&c) if c == '?' || c == name[place] => {
                at += 1;
                place += 1;
            }
            _ => {
                let Some((star_at, tried)) = star else { return false };
                star = Some((star_at, tried + 1));
                at = star_at + 1;
                place = tried + 1;
            }
        }
    }
    pattern[at..].iter().all(|&c| c == '*')
}

#[cfg(test)]
mod tests {
    use super::fits;

    #[test]
    fn patterns() {
        let cases = [
            ("encoder*", "encoder.stem.conv.weight", true),
            ("encoder*", "decoder.encoder", false),
            ("*", "", true),
            ("*norm*", "a.norm.gamma", true),
            ("*.gamma", "a.norm.gamma", true),
            ("*.gamma", "a.norm.gamma2", false),
            ("block?.conv", "block3.conv", true),
            ("block?.conv", "block13.conv", false),
            ("a*b*c", "aXbXbc", true),
            ("", "a", false),
            ("a.b", "aXb", false),
        ];
        let wrong: Vec<_> = cases.into_iter().filter(|(p, name, fit)| fits(p, name) != *fit).collect();
        assert!(wrong.is_empty(), "{wrong:?}");
    }
}
