//! Classes from their names, and colours for class ids.

use super::Class;

/// The colour of a class id in the PASCAL VOC colour map: the bits of the id, three at a time from the lowest, go to
/// R, G and B from their highest bit down. (`VOClabelcolormap` of the VOC development kit; Everingham et al.,
/// "The PASCAL Visual Object Classes Challenge: A Retrospective", IJCV 2015.)
pub fn class_color(id: u8) -> [u8; 3] {
    let mut color = [0; 3];
    // Three bits a step: an id of 8 bits is used up after three steps.
    for step in 0..3 {
        for (channel, value) in color.iter_mut().enumerate() {
            let bit = 3 * step + channel;
            if bit < 8 {
                *value |= (id >> bit & 1) << (7 - step);
            }
        }
    }
    color
}

/// Classes with ids from 0 in the order of `names` and the colours of [`class_color`]. Names beyond the 256th have no
/// id and are left out.
pub fn classes_from_names<S: AsRef<str>>(names: &[S]) -> Vec<Class> {
    (0..=255)
        .zip(names)
        .map(|(id, name)| Class { id, name: name.as_ref().to_owned(), color: class_color(id) })
        .collect()
}

impl Class {
    /// Whether the class stands for everything that is no other class: it is called background, unlabeled or void,
    /// in any spelling (torchvision says `__background__`).
    pub fn is_background(&self) -> bool {
        is_background_name(&self.name)
    }
}

/// [`Class::is_background`] for a bare name.
pub(crate) fn is_background_name(name: &str) -> bool {
    let name: String = name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect();
    matches!(name.as_str(), "background" | "unlabeled" | "unlabelled" | "void")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colors_of_the_voc_map() {
        // From the colour map that the VOC development kit prints, and its border colour for 255.
        let cases = [
            (0, [0, 0, 0]),
            (1, [128, 0, 0]),
            (2, [0, 128, 0]),
            (3, [128, 128, 0]),
            (4, [0, 0, 128]),
            (7, [128, 128, 128]),
            (8, [64, 0, 0]),
            (15, [192, 128, 128]),
            (16, [0, 64, 0]),
            (20, [0, 64, 128]),
            (255, [224, 224, 192]),
        ];
        let wrong: Vec<_> = cases.into_iter().filter(|&(id, color)| class_color(id) != color).collect();
        assert!(wrong.is_empty(), "{wrong:?}");
    }

    #[test]
    fn classes_take_ids_in_order() {
        let classes = classes_from_names(&["background", "cat"]);
        assert_eq!(classes[1], Class { id: 1, name: "cat".into(), color: [128, 0, 0] });
        assert_eq!(classes_from_names(&vec!["x"; 300]).len(), 256);
    }

    #[test]
    fn backgrounds_by_name() {
        let cases = [
            ("background", true),
            ("__background__", true),
            ("Un-labeled", true),
            ("void", true),
            ("sky", false),
            ("background wall", false),
        ];
        let wrong: Vec<_> = cases.into_iter().filter(|&(name, is)| is_background_name(name) != is).collect();
        assert!(wrong.is_empty(), "{wrong:?}");
    }
}
