//! Data sets that nothing can be measured on.

use std::fs;
use std::path::Path;

use super::{Case, check, nothing, picture, put};

#[test]
fn data_that_cannot_be_measured_on() {
    fn put_data(folder: &Path, meta: &str, image: &str, mask: Option<(u32, u32, u8)>) {
        put(folder, "data/META.json", meta);
        put(folder, &format!("data/test/images/{image}"), picture("photo-cat.jpg"));
        fs::create_dir_all(folder.join("data/test/masks")).expect("a folder");
        if let Some((width, height, id)) = mask {
            let mask = image::GrayImage::from_pixel(width, height, image::Luma([id]));
            mask.save(folder.join("data/test/masks/a.png")).expect("a mask");
        }
    }
    const META: &str = r#"{"classes": ["background", "bird"]}"#;
    let eval = "eval --model net.onnx --data data";
    let case = |name, prepare, says| Case { name, prepare, arguments: eval, code: 1, says };
    check(vec![
        case("missing", nothing, &["data", "META.json"]),
        case(
            "no META.json",
            |f| put(f, "data/test/images/a.jpg", picture("photo-cat.jpg")),
            &["data", "META.json"],
        ),
        case(
            "a META.json of nothing",
            |f| put_data(f, "", "a.jpg", Some((320, 213, 1))),
            &["data/META.json", "classes"],
        ),
        case(
            "a META.json without classes",
            |f| put_data(f, "{}", "a.jpg", Some((320, 213, 1))),
            &["data/META.json", "classes"],
        ),
        case(
            "no class in common",
            |f| put_data(f, r#"{"classes": ["background", "boat"]}"#, "a.jpg", Some((320, 213, 1))),
            &["no class in common", "boat", "bird"],
        ),
        case(
            "no background",
            |f| put_data(f, r#"{"classes": ["bird", "cat"]}"#, "a.jpg", Some((320, 213, 1))),
            &["background"],
        ),
        case(
            "masks of another size",
            |f| put_data(f, META, "a.jpg", Some((20, 256, 1))),
            &["data/test/masks/a.png", "20x256", "320x213"],
        ),
        case(
            "ids of no class",
            |f| put_data(f, META, "a.jpg", Some((320, 213, 7))),
            &["data/test/masks/a.png", "id 7"],
        ),
        case(
            "no mask",
            |f| put_data(f, META, "a.jpg", None),
            &["data/test/images/a.jpg", "data/test/masks/a.png is missing"],
        ),
        case(
            "a mask of colors",
            |f| {
                put_data(f, META, "a.jpg", None);
                image::RgbImage::new(320, 213).save(f.join("data/test/masks/a.png")).expect("a mask");
            },
            &["data/test/masks/a.png", "not class ids"],
        ),
        case(
            "a cut mask",
            |f| {
                put_data(f, META, "a.jpg", Some((320, 213, 1)));
                let bytes = fs::read(f.join("data/test/masks/a.png")).expect("a mask");
                put(f, "data/test/masks/a.png", &bytes[..bytes.len() / 2]);
            },
            &["data/test/masks/a.png", "not a whole PNG"],
        ),
        case(
            "a broken picture",
            |f| {
                put_data(f, META, "a.jpg", Some((320, 213, 1)));
                put(f, "data/test/images/a.jpg", "x");
            },
            &["data/test/images/a.jpg", "cannot be decoded"],
        ),
        Case {
            name: "no such split",
            prepare: |f| put_data(f, META, "a.jpg", Some((320, 213, 1))),
            arguments: "eval --model net.onnx --data data --split val",
            code: 1,
            says: &["data/val/images"],
        },
    ]);
}
