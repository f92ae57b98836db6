//! Which class of a model is which class of a data set.

use std::fmt;

use crate::mask::{Class, is_background_name};

/// Groups of names for the same thing, normalised; the first of a group stands for it. PASCAL VOC, COCO and
/// Cityscapes name these differently.
const SYNONYMS: [&[&str]; 6] = [
    &["airplane", "aeroplane"],
    &["tv", "tvmonitor", "television"],
    &["motorcycle", "motorbike"],
    &["couch", "sofa"],
    &["sidewalk", "pavement"],
    &["person", "people"],
];

/// Why classes cannot be matched.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MatchError {
    /// No class is in both.
    #[error(
        "the model and the data set have no class in common: the model has {model}; the data set has {data}"
    )]
    Nothing {
        /// The model's classes.
        model: String,
        /// The data set's classes.
        data: String,
    },
    /// Classes would have to become background, but the data set has none.
    #[error(
        "{folded} can only count as background, but the data set has no class called background: use a model and \
         data of the same classes"
    )]
    NoBackground {
        /// The classes without a partner.
        folded: String,
    },
}

/// Tables from a model's and a data set's own ids to the ids that both are scored in, those of the data set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Matching {
    /// For each id of the model the id of the data set.
    pub model_to_data: [u8; 256],
    /// For each id of the data set the id it is scored as; classes that the model does not know are background, the
    /// ignore label stays, and so do ids that are no class.
    pub data_to_data: [u8; 256],
    /// Names of a model's class and the data set's class that it is.
    pub matched: Vec<(String, String)>,
    /// Classes of the model that count as background.
    pub folded_model: Vec<String>,
    /// Classes of the data set that count as background.
    pub folded_data: Vec<String>,
    background: Option<String>,
}

/// Matches classes by name, whatever the case, spaces, hyphens and underscores, and by a few synonyms (aeroplane and
/// airplane). Classes without a partner, on either side, count as the data set's background; `ignore` is the data
/// set's ignore label, which takes part in nothing.
///
/// # Errors
/// [`MatchError::Nothing`] without a common class other than background, [`MatchError::NoBackground`] where a class
/// has no partner and the data set no class for the rest.
pub fn match_classes(model: &[Class], data: &[String], ignore: u8) -> Result<Matching, MatchError> {
    let data: Vec<(u8, &String)> = (0..=255).zip(data).filter(|&(id, _)| id != ignore).collect();
    let background = data.iter().copied().find(|(_, name)| is_background_name(name));
    let mut known = [false; 256];
    let mut matched = Vec::new();
    let (mut folded_model, mut folded_data) = (Vec::new(), Vec::new());
    let fold_to = background.map_or(0, |(id, _)| id);
    let mut model_to_data = [fold_to; 256];
    for class in model {
        match data.iter().find(|(_, name)| normal(name) == normal(&class.name)) {
            Some(&(id, name)) => {
                model_to_data[class.id as usize] = id;
                known[id as usize] = true;
                matched.push((class.name.clone(), name.clone()));
            }
            None => folded_model.push(class.name.clone()),
        }
    }
    let mut data_to_data: [u8; 256] = std::array::from_fn(|id| id as u8);
    for &(id, name) in &data {
        if !known[id as usize] && Some(id) != background.map(|(id, _)| id) {
            data_to_data[id as usize] = fold_to;
            folded_data.push(name.clone());
        }
    }
    if matched.iter().all(|(_, name)| is_background_name(name)) {
        let model = list(model.iter().map(|class| &class.name));
        return Err(MatchError::Nothing { model, data: list(data.iter().map(|&(_, name)| name)) });
    }
    if background.is_none() && !(folded_model.is_empty() && folded_data.is_empty()) {
        return Err(MatchError::NoBackground { folded: list(folded_model.iter().chain(&folded_data)) });
    }
    let background = background.map(|(_, name)| name.clone());
    Ok(Matching { model_to_data, data_to_data, matched, folded_model, folded_data, background })
}

fn list<'a>(names: impl Iterator<Item = &'a String>) -> String {
    names.map(String::as_str).collect::<Vec<_>>().join(", ")
}

/// A name in the form that is compared.
fn normal(name: &str) -> String {
    if is_background_name(name) {
        return "background".to_owned();
    }
    let name: String =
        name.chars().filter(|c| !matches!(c, ' ' | '-' | '_')).flat_map(char::to_lowercase).collect();
    match SYNONYMS.iter().find(|group| group.contains(&name.as_str())) {
        Some(group) => group[0].to_owned(),
        None => name,
    }
}

impl fmt::Display for Matching {
    /// A line for all classes of the same name, one for each that is called otherwise, and one for those that fold.
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let (same, renamed): (Vec<_>, Vec<_>) = self.matched.iter().partition(|(model, data)| model == data);
        let mut lines = Vec::new();
        if !same.is_empty() {
            lines.push(format!("same in model and data: {}", list(same.iter().map(|(name, _)| name))));
        }
        for (model, data) in renamed {
            lines.push(format!("the model's {model} is the data's {data}"));
        }
        let background = self.background.as_deref().unwrap_or_default();
        for (side, folded) in [("model", &self.folded_model), ("data", &self.folded_data)] {
            if !folded.is_empty() {
                lines.push(format!("only in the {side}, counted as {background}: {}", list(folded.iter())));
            }
        }
        f.write_str(&lines.join("\n"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mask::classes_from_names;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn names_that_mean_the_same() {
        let cases = [
            ("Aeroplane", "airplane", true),
            ("tvmonitor", "TV", true),
            ("dining table", "diningtable", true),
            ("potted-plant", "potted_plant", true),
            ("motorbike", "motorcycle", true),
            ("__background__", "Background", true),
            ("cat", "dog", false),
            ("bus", "buses", false),
            ("car", "cart", false),
        ];
        let wrong: Vec<_> =
            cases.into_iter().filter(|&(a, b, same)| (normal(a) == normal(b)) != same).collect();
        assert!(wrong.is_empty(), "{wrong:?}");
    }

    #[test]
    fn classes_are_matched_and_folded() {
        struct Case {
            model: &'static [&'static str],
            data: &'static [&'static str],
            ignore: u8,
            /// The first ids of both tables.
            model_to_data: &'static [u8],
            data_to_data: &'static [u8],
            lines: &'static str,
        }
        let cases = [
            Case {
                model: &["background", "cat"],
                data: &["background", "cat"],
                ignore: 255,
                model_to_data: &[0, 1, 0],
                data_to_data: &[0, 1, 2],
                lines: "same in model and data: background, cat",
            },
            Case {
                model: &["background", "aeroplane", "bicycle", "cat"],
                data: &["cat", "void", "Airplane", "horse"],
                ignore: 255,
                model_to_data: &[1, 2, 1, 0],
                data_to_data: &[0, 1, 2, 1, 4],
                lines: "same in model and data: cat\n\
                        the model's background is the data's void\n\
                        the model's aeroplane is the data's Airplane\n\
                        only in the model, counted as void: bicycle\n\
                        only in the data, counted as void: horse",
            },
            Case {
                model: &["sky", "road"],
                data: &["road", "sky", "void"],
                ignore: 2,
                model_to_data: &[1, 0],
                data_to_data: &[0, 1, 2],
                lines: "same in model and data: sky, road",
            },
        ];
        let mut wrong = Vec::new();
        for case in cases {
            let got = match_classes(&classes_from_names(case.model), &names(case.data), case.ignore).unwrap();
            let right = got.model_to_data.starts_with(case.model_to_data)
                && got.data_to_data.starts_with(case.data_to_data)
                && got.data_to_data[255] == 255
                && got.to_string() == case.lines;
            if !right {
                wrong.push(format!("{:?} and {:?}:\n{got}", case.model, case.data));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    #[test]
    fn classes_without_a_place_are_an_error() {
        let cases: [(&[&str], &[&str], &str); 3] = [
            (
                &["background", "cat"],
                &["background", "dog"],
                "the model and the data set have no class in common",
            ),
            (&["background", "car"], &["sky", "car"], "background, sky can only count as background"),
            (&["car"], &["sky", "car"], "sky can only count as background"),
        ];
        for (model, data, expected) in cases {
            let message =
                match_classes(&classes_from_names(model), &names(data), 255).unwrap_err().to_string();
            assert!(message.starts_with(expected), "{message}");
        }
    }
}
