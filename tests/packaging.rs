//! The files of the Debian package say what the program understands.

use std::fs;
use std::path::Path;

use sedge::config::Config;

fn packaged(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging").join(name)).unwrap()
}

/// `# key = value` without its sign, where a line is such a one.
fn commented_key(line: &str) -> Option<&str> {
    let key = line.strip_prefix("# ")?;
    let (name, _) = key.split_once(" = ")?;
    name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_').then_some(key)
}

/// The configuration with one group of commented keys after the other put to use, and the comment above the group.
fn variants(text: &str) -> Vec<(String, String)> {
    let lines: Vec<&str> = text.lines().collect();
    let mut variants = Vec::new();
    let mut at = 0;
    while at < lines.len() {
        let group = lines[at..].iter().take_while(|line| commented_key(line).is_some()).count();
        if group > 0 {
            let put_to_use = |(number, line): (usize, &&str)| {
                let is_in_group = (at..at + group).contains(&number);
                commented_key(line).filter(|_| is_in_group).unwrap_or(line).to_owned()
            };
            let variant: Vec<String> = lines.iter().enumerate().map(put_to_use).collect();
            let above = lines[..at].iter().rev().take_while(|line| line.starts_with("# "));
            let comment: Vec<&str> = lines[at..at + group].iter().chain(above).copied().collect();
            variants.push((variant.join("\n"), comment.join("\n")));
        }
        at += group.max(1);
    }
    variants
}

#[test]
fn the_packaged_configuration_is_understood_with_any_of_its_comments_put_to_use() {
    let text = packaged("sedge.toml");
    let packaged = Config::parse(&text, "sedge.toml").unwrap();
    let variants = variants(&text);
    assert!(variants.len() > 15, "only {} commented groups found", variants.len());
    let mut wrong = Vec::new();
    for (variant, comment) in variants {
        // A store on a card has its folder there.
        let card = "path = \"/media/masks/sedge\"";
        let is_on_card = variant.contains("\nmount = ");
        let variant =
            if is_on_card { variant.replace("path = \"/var/lib/sedge/masks\"", card) } else { variant };
        let says_otherwise = ["default", "Without"].iter().any(|word| comment.contains(word));
        match Config::parse(&variant, "sedge.toml") {
            Err(error) => wrong.push(format!("{error}\n{comment}")),
            Ok(config) if config != packaged && !says_otherwise => {
                wrong.push(format!("not the default:\n{comment}"));
            }
            Ok(_) => {}
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn the_unit_allows_what_the_packaged_configuration_needs() {
    let config = Config::parse(&packaged("sedge.toml"), "sedge.toml").unwrap();
    let unit = packaged("sedge.service");
    let cases = [
        ("ExecStart=/usr/bin/sedge run --config /etc/sedge/sedge.toml", true),
        ("StateDirectory=sedge", config.store.path.starts_with("/var/lib/sedge")),
        ("RuntimeDirectory=sedge", config.status.file.is_some_and(|file| file.starts_with("/run/sedge"))),
        (
            "DeviceAllow=char-video4linux rw",
            config.camera.source.is_some_and(|source| source.starts_with("v4l:")),
        ),
    ];
    for (line, is_needed) in cases {
        assert!(is_needed && unit.lines().any(|found| found == line), "{line}");
    }
}
