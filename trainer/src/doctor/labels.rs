//! The classes of the whole set: ids that are none, ids that come from smoothing, classes that are empty, missing or rare.

use serde::Serialize;

use super::finding::{Kind, Severity, Trouble};
use super::record::Record;
use super::survey::{Label, Survey};

/// From this share of its pixels on, an id that looks like a blend of its neighbours is one.
const FRINGE: f64 = 0.7;
/// Blends lie on borders only, which are a small share of all pixels.
const FRINGE_SHARE: f64 = 0.05;
/// In one mask a class that occurs elsewhere for real needs more: so many pixels, and nearly all of them.
const FRINGE_PIXELS: u64 = 24;
const FRINGE_OF_FILE: f64 = 0.95;
/// A class is rare below this part of an even share.
const RARE: f64 = 0.05;

/// A class in a split.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Count {
    /// Pictures that have the class.
    pub pictures: usize,
    /// Its pixels; 0 in a set without masks.
    pub pixels: u64,
    /// Its share of the split's pixels that are not ignored, or of its pictures; 0..=1.
    pub share: f64,
}

/// The counts of every class: `[classes][splits]`.
pub fn counts(survey: &Survey, records: &[Record]) -> Vec<Vec<Count>> {
    let splits = survey.splits.len();
    let mut counts = vec![vec![Count::default(); splits]; survey.classes.len()];
    let ignored = |id: usize| survey.ignore.is_some_and(|ignore| usize::from(ignore) == id);
    for (item, record) in survey.items.iter().zip(records) {
        for (id, classes) in counts.iter_mut().enumerate() {
            let pixels = record.mask.as_ref().and_then(|mask| mask.counts.get(id)).copied().unwrap_or(0);
            let count = &mut classes[item.split];
            count.pixels += pixels;
            count.pictures += usize::from(pixels > 0 || record.class == Some(id));
        }
    }
    let has_masks = survey.items.iter().any(|item| matches!(item.label, Label::Mask(..)));
    for split in 0..splits {
        let number = |count: &Count| if has_masks { count.pixels as f64 } else { count.pictures as f64 };
        let of_classes = counts.iter().enumerate().filter(|&(id, _)| !ignored(id));
        let sum: f64 = of_classes.map(|(_, classes)| number(&classes[split])).sum();
        for (id, classes) in counts.iter_mut().enumerate() {
            if !ignored(id) && sum > 0.0 {
                classes[split].share = number(&classes[split]) / sum;
            }
        }
    }
    counts
}

/// What is wrong with the labels of the set.
pub fn check(survey: &Survey, records: &[Record]) -> Vec<Trouble> {
    let mut troubles = Vec::new();
    let pictures = || records.iter().filter_map(|record| record.facts.as_ref());
    let (gray, all) = (pictures().filter(|facts| facts.is_gray).count(), pictures().count());
    if gray > 0 && gray < all {
        let detail = format!("{gray} grey, {} in color", all - gray);
        troubles.push(Trouble::new(Kind::Channels, "", detail));
    }
    let fringes = ids(survey, records, &mut troubles);
    for id in 0..survey.classes.len() {
        if survey.ignore.is_some_and(|ignore| usize::from(ignore) == id) {
            troubles.push(Trouble::new(Kind::IgnoreClass, &survey.classes[id], format!("id {id}")));
        }
    }
    let is_readable = records.iter().any(|record| record.mask.is_some() || record.class.is_some());
    if is_readable {
        classes(survey, records, &fringes, &mut troubles);
    }
    troubles
}

/// Checks the ids in masks; returns those that are blends all over the set.
fn ids(survey: &Survey, records: &[Record], troubles: &mut Vec<Trouble>) -> Vec<usize> {
    let masks = || records.iter().filter_map(|record| record.mask.as_ref());
    let sum = |id: usize| {
        masks().map(|mask| (mask.counts[id], mask.fringe[id])).fold((0, 0), |s, c| (s.0 + c.0, s.1 + c.1))
    };
    let sums: Vec<(u64, u64)> = (0..256).map(sum).collect();
    let pixels: u64 = sums.iter().map(|&(count, _)| count).sum();
    let is_part = |part: u64, whole: u64, share: f64| part as f64 >= share * whole as f64;
    let fringes: Vec<usize> = (0..256)
        .filter(|&id| {
            let (count, fringe) = sums[id];
            count > 0 && is_part(fringe, count, FRINGE) && !is_part(count, pixels, FRINGE_SHARE)
        })
        .collect();
    let is_class = |id: usize| {
        // Without META.json nothing says what is outside.
        survey.classes.is_empty() || id < survey.classes.len() || survey.ignore == Some(id as u8)
    };
    for (item, record) in survey.items.iter().zip(records) {
        let (Some(mask), Label::Mask(_, place)) = (&record.mask, &item.label) else { continue };
        let (mut outside, mut fringe, mut worst) = (Vec::new(), Vec::new(), Severity::Warning);
        for id in (0..256).filter(|&id| mask.counts[id] > 0) {
            let (count, blended) = (mask.counts[id], mask.fringe[id]);
            let of_file = count >= FRINGE_PIXELS && is_part(blended, count, FRINGE_OF_FILE);
            let text = format!("{id} ({count} pixels)");
            if fringes.contains(&id) || is_class(id) && of_file {
                fringe.push(text);
                worst = if is_class(id) { worst } else { Severity::Error };
            } else if !is_class(id) {
                outside.push(text);
            }
        }
        if !outside.is_empty() {
            troubles.push(Trouble::new(Kind::LabelOutside, place, listed(&outside)));
        }
        if !fringe.is_empty() {
            troubles.push(Trouble::new(Kind::LabelFringe, place, listed(&fringe)).rated(worst));
        }
    }
    fringes
}

fn listed(ids: &[String]) -> String {
    let more = if ids.len() > 4 { ", ..." } else { "" };
    let word = if ids.len() == 1 { "label" } else { "labels" };
    format!("{} {word}: {}{more}", ids.len(), ids.iter().take(4).cloned().collect::<Vec<_>>().join(", "))
}

fn classes(survey: &Survey, records: &[Record], fringes: &[usize], troubles: &mut Vec<Trouble>) {
    let counts = counts(survey, records);
    let has_pictures: Vec<bool> =
        (0..survey.splits.len()).map(|split| survey.items.iter().any(|item| item.split == split)).collect();
    let number = survey.classes.len() as f64;
    for (id, name) in survey.classes.iter().enumerate() {
        if survey.ignore.is_some_and(|ignore| usize::from(ignore) == id) || fringes.contains(&id) {
            continue;
        }
        let of_splits = &counts[id];
        if of_splits.iter().all(|count| count.pictures == 0) {
            troubles.push(Trouble::new(Kind::ClassEmpty, name, format!("id {id}")));
            continue;
        }
        for (split, count) in of_splits.iter().enumerate() {
            if count.pictures == 0 && has_pictures[split] {
                let is_train = survey.splits[split] == "train";
                let severity = if is_train { Severity::Error } else { Severity::Warning };
                let detail = format!("none in {}", survey.splits[split]);
                troubles.push(Trouble::new(Kind::ClassMissing, name, detail).rated(severity));
            }
        }
        let learnt = survey.splits.iter().position(|split| split == "train").unwrap_or(0);
        let Count { share, pictures, .. } = of_splits[learnt];
        if pictures > 0 && share < RARE / number {
            let detail =
                format!("{:.2} % of {}, in {pictures} pictures", 100.0 * share, survey.splits[learnt]);
            troubles.push(Trouble::new(Kind::ClassRare, name, detail));
        }
    }
}
