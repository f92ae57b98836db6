//! The contact sheet: pictures with their masks drawn over them, each with its name and what was found.

use embedded_graphics::mono_font::MonoTextStyle;
use embedded_graphics::mono_font::ascii::FONT_6X10;
use embedded_graphics::pixelcolor::Rgb888;
use embedded_graphics::prelude::*;
use embedded_graphics::primitives::{PrimitiveStyle, Rectangle};
use embedded_graphics::text::{Baseline, Text};
use image::codecs::png::PngEncoder;
use image::{ExtendedColorType, ImageEncoder, RgbImage, imageops};
use sedge::mask::classes_from_names;
use sedge::overlay::{self, Canvas, Legend};

use super::finding::Severity;
use super::survey::{Item, Label, Survey};
use super::{DoctorError, Examination};

/// Pixels across and down for a picture, without its caption.
const TILE: u32 = 168;
/// Pixels for two lines of caption.
const CAPTION: u32 = 24;
/// Pixels between tiles.
const GAP: u32 = 6;
/// Tiles across.
const COLUMNS: u32 = 8;
/// Characters that fit below a tile.
const LETTERS: usize = TILE as usize / 6;

/// Up to `number` pictures as a PNG, the worst first. What cannot be decoded is an empty tile with its name.
///
/// # Errors
/// [`DoctorError::Sheet`] where there are no pictures or the encoder refuses.
pub fn png(examination: &Examination, number: usize) -> Result<Vec<u8>, DoctorError> {
    let order = examination.worst(number);
    if order.is_empty() {
        return Err(DoctorError::Sheet("there are no pictures".into()));
    }
    let columns = COLUMNS.min(order.len() as u32);
    let rows = (order.len() as u32).div_ceil(columns);
    let (width, height) = (columns * (TILE + GAP) + GAP, rows * (TILE + CAPTION + GAP) + GAP);
    let mut sheet = RgbImage::from_pixel(width, height, image::Rgb([32; 3]));
    for (place, &index) in (0..).zip(&order) {
        let (x, y) = (GAP + place % columns * (TILE + GAP), GAP + place / columns * (TILE + CAPTION + GAP));
        if let Some(picture) = tile(&examination.survey, &examination.survey.items[index]) {
            let (dx, dy) = ((TILE - picture.width()) / 2, (TILE - picture.height()) / 2);
            imageops::replace(&mut sheet, &picture, i64::from(x + dx), i64::from(y + dy));
        }
        caption(examination, index, &mut sheet, Point::new(x as i32, y as i32));
    }
    let mut file = Vec::new();
    let encoder = PngEncoder::new(&mut file);
    let written = encoder.write_image(&sheet, width, height, ExtendedColorType::Rgb8);
    written.map_err(|error| DoctorError::Sheet(error.to_string()))?;
    Ok(file)
}

fn tile(survey: &Survey, item: &Item) -> Option<RgbImage> {
    let picture = item.decode()?;
    let scale = f64::from(TILE) / f64::from(picture.width().max(picture.height()));
    let fit = |length: u32| ((f64::from(length) * scale).round() as u32).clamp(1, TILE);
    let (width, height) = (fit(picture.width()), fit(picture.height()));
    let mut small = if scale < 1.0 {
        imageops::thumbnail(&picture, width, height)
    } else {
        imageops::resize(&picture, width, height, imageops::FilterType::Nearest)
    };
    if let Some(mask) = item.decode_mask() {
        let mask = mask.scaled(width, height);
        let classes = classes_from_names(&survey.classes);
        // The sizes agree: both were made here.
        overlay::draw(&mut small, width, height, &mask, &classes, Legend::Hidden).ok()?;
    }
    Some(small)
}

fn caption(examination: &Examination, index: usize, sheet: &mut RgbImage, corner: Point) {
    let (item, record) = (&examination.survey.items[index], &examination.records[index]);
    let worst = examination.troubles.iter().filter(|trouble| names(item).contains(&trouble.place.as_str()));
    let worst = worst.min_by_key(|trouble| trouble.severity);
    let (width, height) = sheet.dimensions();
    let mut canvas = Canvas::new(sheet, width, height);
    let mut write = |line: i32, text: &str, color: Rgb888| {
        let at = corner + Point::new(0, TILE as i32 + 2 + 11 * line);
        let style = MonoTextStyle::new(&FONT_6X10, color);
        // A canvas in memory refuses nothing.
        let Ok(_) = Text::with_baseline(text, at, style, Baseline::Top).draw(&mut canvas);
    };
    // The end of a name tells more than its beginning.
    let letters = item.name.chars().count();
    let name: String = item.name.chars().skip(letters.saturating_sub(LETTERS)).collect();
    write(0, &name, Rgb888::WHITE);
    let class = record.class.and_then(|class| examination.survey.classes.get(class)).cloned();
    let loss = record.judgement.as_ref().map(|judgement| format!("loss {:.2}", judgement.loss));
    let kind = worst.map(|trouble| trouble.kind.code().to_owned());
    let parts: Vec<String> = [class, loss, kind].into_iter().flatten().collect();
    let second: String = parts.join(" ").chars().take(LETTERS).collect();
    let color = match worst.map(|trouble| trouble.severity) {
        Some(Severity::Error) => Rgb888::new(255, 90, 80),
        Some(Severity::Warning) => Rgb888::new(255, 180, 40),
        _ => Rgb888::new(170, 170, 170),
    };
    write(1, &second, color);
    if worst.is_some_and(|trouble| trouble.severity < Severity::Note) {
        let frame = Rectangle::new(corner, Size::new(TILE, TILE));
        let Ok(()) = frame.into_styled(PrimitiveStyle::with_stroke(color, 2)).draw(&mut canvas);
    }
}

fn names(item: &Item) -> Vec<&str> {
    match &item.label {
        Label::Mask(_, mask) => vec![&item.name, mask],
        _ => vec![&item.name],
    }
}
