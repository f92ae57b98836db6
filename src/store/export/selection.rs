//! Which classes of a store go into an export, and what they are called there.

use super::ExportError;
use crate::mask::{Class, Mask, class_color};
use crate::store::folder::unique_names;

/// The id that stands for the classes that are left out, where id 0 is a class of its own: the VOC data sets' border.
const LEFT_OUT: u8 = 255;

/// The classes that are exported.
#[derive(Clone, Debug)]
pub(super) struct Selection {
    /// The store's classes.
    classes: Vec<Class>,
    /// What each id is called; no two alike.
    names: Vec<String>,
    /// The ids that were asked for; `None` for all.
    chosen: Option<[bool; 256]>,
}

impl Selection {
    /// The classes called `chosen`, or all of them.
    ///
    /// # Errors
    /// [`ExportError::NoClass`] for a name that no class has.
    pub(super) fn new(classes: &[Class], chosen: Option<&[String]>) -> Result<Selection, ExportError> {
        let names = unique_names(classes);
        let chosen = match chosen {
            None => None,
            Some(chosen) => {
                let mut ids = [false; 256];
                for name in chosen {
                    // Two classes of one name are both meant, or one of them by its name with the id.
                    let meant =
                        classes.iter().filter(|c| c.name == *name || names[usize::from(c.id)] == *name);
                    let mut any = false;
                    for class in meant {
                        (ids[usize::from(class.id)], any) = (true, true);
                    }
                    if !any {
                        let known: Vec<&str> =
                            classes.iter().map(|c| names[usize::from(c.id)].as_str()).collect();
                        return Err(ExportError::NoClass { name: name.clone(), known: known.join(", ") });
                    }
                }
                Some(ids)
            }
        };
        Ok(Selection { classes: classes.to_vec(), names, chosen })
    }

    /// The store's classes.
    pub(super) fn classes(&self) -> &[Class] {
        &self.classes
    }

    /// The store's classes that are exported, by id.
    pub(super) fn listed(&self) -> Vec<u8> {
        let mut ids: Vec<u8> = self.classes.iter().map(|class| class.id).collect();
        ids.retain(|&id| self.keeps(id));
        ids.sort_unstable();
        ids
    }

    /// Whether all classes are exported, also those without a name.
    pub(super) fn is_all(&self) -> bool {
        self.chosen.is_none()
    }

    /// Whether the class is exported.
    pub(super) fn keeps(&self, id: u8) -> bool {
        self.chosen.is_none_or(|chosen| chosen[usize::from(id)])
    }

    /// Whether the class is an object of its own in lists of annotations: the background is one only where it was asked
    /// for by its name.
    pub(super) fn annotates(&self, id: u8) -> bool {
        self.keeps(id) && (self.chosen.is_some() || !self.is_background(id))
    }

    /// What the class is called.
    pub(super) fn name(&self, id: u8) -> String {
        match self.class(id) {
            Some(_) => self.names[usize::from(id)].clone(),
            None => format!("class {id}"),
        }
    }

    /// Its color.
    pub(super) fn color(&self, id: u8) -> [u8; 3] {
        self.class(id).map_or_else(|| class_color(id), |class| class.color)
    }

    /// Whether the class is what is left when there is no other: one called so, or id 0 without a class.
    pub(super) fn is_background(&self, id: u8) -> bool {
        self.class(id).map_or(id == 0, Class::is_background)
    }

    /// The mask with the classes that are left out as background: id 0, or 255 where id 0 is a class of its own.
    pub(super) fn reduce<'a>(&self, mask: &'a Mask) -> std::borrow::Cow<'a, Mask> {
        let Some(chosen) = &self.chosen else { return std::borrow::Cow::Borrowed(mask) };
        let other = if self.is_background(0) { 0 } else { LEFT_OUT };
        let data = mask.data.iter().map(|&id| if chosen[usize::from(id)] { id } else { other }).collect();
        std::borrow::Cow::Owned(Mask { data, ..*mask })
    }

    fn class(&self, id: u8) -> Option<&Class> {
        self.classes.iter().find(|class| class.id == id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mask::classes_from_names;

    #[test]
    fn classes_are_chosen_by_name() {
        let voc = classes_from_names(&["background", "cat", "dog", "cat"]);
        let street = classes_from_names(&["road", "car"]);
        // Classes, names, ids listed, ids annotated of 0..=4, the mask 0 1 2 3 4 with the others left out.
        type Case<'a> = (&'a [Class], Option<&'a [&'a str]>, &'a [u8], &'a [u8], &'a [u8]);
        let cases: [Case; 7] = [
            (&voc, None, &[0, 1, 2, 3], &[1, 2, 3, 4], &[0, 1, 2, 3, 4]),
            (&voc, Some(&["dog"]), &[2], &[2], &[0, 0, 2, 0, 0]),
            (&voc, Some(&["dog", "background"]), &[0, 2], &[0, 2], &[0, 0, 2, 0, 0]),
            (&voc, Some(&["cat"]), &[1, 3], &[1, 3], &[0, 1, 0, 3, 0]),
            (&voc, Some(&["cat (3)"]), &[3], &[3], &[0, 0, 0, 3, 0]),
            (&street, None, &[0, 1], &[0, 1, 2, 3, 4], &[0, 1, 2, 3, 4]),
            (&street, Some(&["car"]), &[1], &[1], &[255, 1, 255, 255, 255]),
        ];
        let mask = Mask { width: 5, height: 1, data: vec![0, 1, 2, 3, 4] };
        let mut wrong = Vec::new();
        for (classes, chosen, listed, annotated, reduced) in cases {
            let names: Option<Vec<String>> = chosen.map(|c| c.iter().map(|n| n.to_string()).collect());
            let selection = Selection::new(classes, names.as_deref()).unwrap();
            let ids: Vec<u8> = (0..=4).filter(|&id| selection.annotates(id)).collect();
            let data = selection.reduce(&mask).data.clone();
            if (selection.listed().as_slice(), ids.as_slice(), data.as_slice())
                != (listed, annotated, reduced)
            {
                wrong.push(format!("{chosen:?}: {:?} {ids:?} {data:?}", selection.listed()));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
        let error = Selection::new(&street, Some(&["bus".to_owned()])).unwrap_err();
        assert_eq!(error.to_string(), "the store has no class \"bus\"; it has road, car");
    }
}
