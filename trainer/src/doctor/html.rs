//! The report as one HTML page that needs no other file.

use super::finding::Finding;
use super::report::Report;
use super::text::describe;

const STYLE: &str = "body{font:15px/1.45 system-ui,sans-serif;max-width:70em;margin:2em auto;padding:0 1em;color:#222}\
table{border-collapse:collapse}td,th{padding:.15em .8em;text-align:right;border-bottom:1px solid #ddd}\
td.name,th.name{text-align:left}section{border-left:.4em solid #888;padding:.1em 1em;margin:1em 0;background:#f6f6f6}\
section.error{border-color:#c62828}section.warning{border-color:#ef9a00}h2,h3{margin:.4em 0}\
li{font-family:ui-monospace,monospace;font-size:13px;overflow-wrap:anywhere}img{max-width:100%}";

/// The page; `sheet` is a contact sheet as PNG and is embedded.
pub fn page(report: &Report, sheet: Option<&[u8]>) -> String {
    let mut html = format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{0}</title>\n<style>{STYLE}</style></head>\n\
         <body>\n<h1>{0}</h1>\n<p><strong>{1}</strong></p>\n",
        escaped(&report.folder),
        report.verdict()
    );
    for split in &report.splits {
        html += &format!("<p>{}</p>\n", escaped(&describe(split)));
    }
    html += &classes(report);
    for finding in &report.findings {
        html += &section(finding);
    }
    if let Some(sheet) = sheet {
        html += &format!(
            "<h2>Pictures, the worst first</h2>\n<img alt=\"contact sheet\" src=\"data:image/png;base64,{}\">\n",
            base64(sheet)
        );
    }
    html += "</body></html>\n";
    html
}

fn classes(report: &Report) -> String {
    if report.classes.is_empty() {
        return String::new();
    }
    let mut html = String::from("<table>\n<tr><th>id</th><th class=\"name\">class</th>");
    for split in &report.splits {
        html += &format!("<th>{0}</th><th>pictures</th>", escaped(&split.name));
    }
    html += "</tr>\n";
    for class in &report.classes {
        html += &format!("<tr><td>{}</td><td class=\"name\">{}</td>", class.id, escaped(&class.name));
        for count in &class.splits {
            html += &format!("<td>{:.2} %</td><td>{}</td>", 100.0 * count.share, count.pictures);
        }
        html += "</tr>\n";
    }
    html + "</table>\n"
}

fn section(finding: &Finding) -> String {
    let severity = finding.severity.name();
    let mut html = format!(
        "<section class=\"{severity}\"><h3>{severity}: {}: {} <small>[{}]</small></h3>\n<p>{}</p>\n<ul>\n",
        escaped(finding.title),
        finding.count,
        finding.kind.code(),
        escaped(finding.advice)
    );
    for example in &finding.examples {
        let both = [&example.place, &example.detail].map(|text| escaped(text));
        let parts: Vec<&str> = both.iter().map(String::as_str).filter(|text| !text.is_empty()).collect();
        html += &format!("<li>{}</li>\n", parts.join(": "));
    }
    html + "</ul></section>\n"
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped += "&amp;",
            '<' => escaped += "&lt;",
            '>' => escaped += "&gt;",
            '"' => escaped += "&quot;",
            other => escaped.push(other),
        }
    }
    escaped
}

/// RFC 4648, section 4.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let bits =
            group.iter().enumerate().fold(0_u32, |bits, (i, &byte)| bits | u32::from(byte) << (16 - 8 * i));
        for digit in 0..4 {
            let is_padding = digit > group.len();
            let value = (bits >> (18 - 6 * digit) & 63) as usize;
            text.push(if is_padding { '=' } else { char::from(DIGITS[value]) });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_of_rfc_4648() {
        let cases = [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")];
        for (bytes, expected) in cases {
            assert_eq!(base64(bytes.as_bytes()), expected);
        }
        assert_eq!(base64(&[0xFB, 0xEF, 0xFF]), "++//");
    }

    #[test]
    fn names_cannot_break_the_page() {
        assert_eq!(escaped("<a href=\"x\">&"), "&lt;a href=&quot;x&quot;&gt;&amp;");
    }
}
