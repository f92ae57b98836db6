//! Pictures that are there more than once: equal by their pixels, or nearly so by hash and comparison.

use std::collections::HashMap;

use super::Options;
use super::finding::{Kind, Severity, Trouble};
use super::parallel;
use super::perceptual;
use super::picture::Facts;
use super::record::Record;
use super::survey::{Item, Label, Survey};

/// Up to this distance of their small pictures two pictures are nearly equal: a correlation of 0.98.
const NEAR: f64 = 0.2;
/// The same where half of the picture is one even ground: two people's digits come to 0.15.
const NEAR_PLAIN: f64 = 0.12;
/// From this share of a split's pictures on, equal pictures in another split are an error: scores move by that much.
const LEAK: f64 = 0.01;
/// Two masks that differ in this share of their pixels, or less, say the same.
const SAME: f64 = 0.01;
/// Up to this share two people's outlines of one thing may differ.
const OUTLINE: f64 = 0.05;

/// Equal and nearly equal pictures, within splits and across them.
pub fn check(survey: &Survey, records: &[Record], options: &Options) -> Vec<Trouble> {
    let seen: Vec<(usize, &Facts)> = records
        .iter()
        .enumerate()
        .filter_map(|(index, record)| {
            // Pictures of one color are all alike and told already.
            let is_constant = record.troubles.iter().any(|trouble| trouble.kind == Kind::Constant);
            record.facts.as_ref().filter(|_| !is_constant).map(|facts| (index, facts))
        })
        .collect();
    let mut troubles = Vec::new();
    let firsts = equal(survey, records, &seen, &mut troubles);
    if let Some(bits) = options.near_bits {
        let different: Vec<(usize, &Facts)> =
            seen.into_iter().filter(|(index, _)| firsts.contains(index)).collect();
        near(survey, &different, bits, options.threads, &mut troubles);
    }
    troubles
}

/// Tells of equal pictures; returns the first of each.
fn equal(
    survey: &Survey,
    records: &[Record],
    seen: &[(usize, &Facts)],
    troubles: &mut Vec<Trouble>,
) -> std::collections::HashSet<usize> {
    let mut groups: HashMap<[u8; 16], Vec<usize>> = HashMap::new();
    for &(index, facts) in seen {
        groups.entry(facts.hash).or_default().push(index);
    }
    let mut groups: Vec<Vec<usize>> = groups.into_values().collect();
    groups.sort_unstable();
    let label = |index: usize| (records[index].class, records[index].mask.as_ref().map(|mask| mask.hash));
    let mut across = Vec::new();
    for group in &groups {
        let first = group[0];
        for &other in &group[1..] {
            let (a, b) = (&survey.items[first], &survey.items[other]);
            let detail = format!("equals {}", a.name);
            if label(first) != label(other) {
                troubles.extend(conflict(survey, a, b));
            }
            if let Some(&earlier) =
                group.iter().find(|&&index| survey.items[index].split != b.split && index < other)
            {
                across.push((
                    b.split,
                    Trouble::new(
                        Kind::DuplicateSplits,
                        &b.name,
                        format!("equals {}", survey.items[earlier].name),
                    ),
                ));
            } else {
                troubles.push(Trouble::new(Kind::Duplicate, &b.name, detail));
            }
        }
    }
    for (split, trouble) in &across {
        let leaked = across.iter().filter(|(other, _)| other == split).count();
        let number = survey.items.iter().filter(|item| item.split == *split).count();
        let is_much = leaked as f64 > LEAK * number as f64;
        let severity = if is_much { Severity::Error } else { Severity::Warning };
        troubles.push(trouble.clone().rated(severity));
    }
    groups.into_iter().map(|group| group[0]).collect()
}

/// Two people never draw the same outline: masks that differ a little are a warning, others and classes an error.
fn conflict(survey: &Survey, first: &Item, other: &Item) -> Option<Trouble> {
    let class = |item: &Item| match item.label {
        Label::Class(class) => survey.classes.get(class).cloned(),
        _ => None,
    };
    let detail = format!("equals {}", first.name);
    let (detail, severity) = match (first.decode_mask(), other.decode_mask()) {
        (Some(a), Some(b)) if (a.width, a.height) == (b.width, b.height) => {
            let differing = a.data.iter().zip(&b.data).filter(|(a, b)| a != b).count();
            let share = differing as f64 / a.data.len() as f64;
            if share <= SAME {
                return None;
            }
            let severity = if share > OUTLINE { Severity::Error } else { Severity::Warning };
            (format!("{detail}, but {:.1} % of their masks' pixels differ", 100.0 * share), severity)
        }
        _ => match (class(first), class(other)) {
            (Some(a), Some(b)) => (format!("{detail}, but one is {a} and the other {b}"), Severity::Error),
            _ => (detail, Severity::Error),
        },
    };
    Some(Trouble::new(Kind::Conflict, &other.name, detail).rated(severity))
}

/// Tells of pictures that nearly equal an earlier one: the nearest of another split, else the first of the same.
fn near(survey: &Survey, seen: &[(usize, &Facts)], bits: u32, threads: usize, troubles: &mut Vec<Trouble>) {
    let hashes: Vec<u64> = seen.iter().map(|(_, facts)| facts.perceptual).collect();
    let splits: Vec<usize> = seen.iter().map(|&(index, _)| survey.items[index].split).collect();
    let partner = |own: usize| {
        let small = &seen[own].1.small;
        let limit = if perceptual::is_plain(small) { NEAR_PLAIN } else { NEAR };
        let (mut within, mut across): (Option<usize>, Option<(usize, f64)>) = (None, None);
        for other in 0..own {
            let is_same_split = splits[other] == splits[own];
            if (hashes[other] ^ hashes[own]).count_ones() > bits || is_same_split && within.is_some() {
                continue;
            }
            let distance = perceptual::distance(small, &seen[other].1.small);
            if distance <= limit && is_same_split {
                within = Some(other);
            } else if distance <= across.map_or(limit, |(_, best)| best) && !is_same_split {
                across = Some((other, distance));
            }
        }
        across.map(|(other, distance)| (other, Some(distance))).or(within.map(|other| (other, None)))
    };
    let partners = parallel::map(seen.len(), threads, &|_, _| {}, partner);
    for (own, partner) in partners.into_iter().enumerate() {
        let Some((other, distance)) = partner else { continue };
        let (place, like) = (&survey.items[seen[own].0].name, &survey.items[seen[other].0].name);
        let detail = format!("like {like}");
        troubles.push(match distance {
            Some(distance) => Trouble::new(Kind::NearSplits, place, format!("{detail}, {distance:.3} apart")),
            None => Trouble::new(Kind::Near, place, detail),
        });
    }
}
