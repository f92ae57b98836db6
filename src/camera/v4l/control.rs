//! A camera's controls (exposure, gain, white balance) by the names that `v4l2-ctl` prints.

/// What a control takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ControlKind {
    /// A number from its range.
    Integer,
    /// 0 or 1.
    Boolean,
    /// The number of an item.
    Menu,
    /// Any value: setting it does something once.
    Button,
    /// Bits.
    Bitmask,
    /// Something that cannot be set here: 64-bit numbers, texts.
    Other,
}

/// A control of a camera.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Control {
    /// The driver's number.
    pub id: u32,
    /// The driver's name as `v4l2-ctl` prints it: `exposure_time_absolute`.
    pub name: String,
    /// What it takes.
    pub kind: ControlKind,
    /// Least value.
    pub min: i64,
    /// Largest value.
    pub max: i64,
    /// From one value to the next.
    pub step: u64,
    /// The driver's default.
    pub default: i64,
    /// The value now, where it can be read.
    pub value: Option<i64>,
    /// Numbers and names of a menu's items.
    pub items: Vec<(i64, String)>,
    /// Whether it can only be read.
    pub read_only: bool,
    /// Whether another control has switched it off for now.
    pub inactive: bool,
}

/// The form in which `v4l2-ctl` prints a driver's name for a control: `White Balance, Automatic` becomes
/// `white_balance_automatic`.
pub(super) fn control_name(label: &str) -> String {
    let mut name = String::new();
    let mut gap = false;
    for character in label.chars() {
        if character.is_ascii_alphanumeric() {
            if gap && !name.is_empty() {
                name.push('_');
            }
            name.push(character.to_ascii_lowercase());
        }
        gap = !character.is_ascii_alphanumeric();
    }
    name
}

/// Numbers and values of the controls wanted by name, in the order in which to set them: switches and menus first, as
/// they free others (manual exposure before its time).
///
/// # Errors
/// A sentence that names the control, why it cannot be set so, and what there is.
pub(super) fn resolve(controls: &[Control], wanted: &[(String, i64)]) -> Result<Vec<(u32, i64)>, String> {
    let mut found = Vec::new();
    for (name, value) in wanted {
        let Some(control) = controls.iter().find(|control| control.name == *name) else {
            return Err(unknown(name, controls));
        };
        check(control, *value)?;
        found.push((control, *value));
    }
    found.sort_by_key(|(control, _)| !matches!(control.kind, ControlKind::Boolean | ControlKind::Menu));
    Ok(found.into_iter().map(|(control, value)| (control.id, value)).collect())
}

fn unknown(name: &str, controls: &[Control]) -> String {
    if controls.is_empty() {
        return format!("there is no control {name}: the camera has none");
    }
    let mut near: Vec<(usize, &str)> =
        controls.iter().map(|control| (distance(name, &control.name), control.name.as_str())).collect();
    near.sort();
    let near: Vec<&str> = near.into_iter().take(3).map(|(_, name)| name).collect();
    format!("there is no control {name}; the nearest are {}; `sedge cameras` lists them all", near.join(", "))
}

fn check(control: &Control, value: i64) -> Result<(), String> {
    let Control { name, kind, min, max, step, items, .. } = control;
    if control.read_only {
        return Err(format!("the control {name} can only be read"));
    }
    match kind {
        ControlKind::Other => {
            Err(format!("the control {name} takes 64-bit numbers or text, which cannot be set here"))
        }
        ControlKind::Button => Ok(()),
        ControlKind::Menu if !items.iter().any(|(number, _)| *number == value) => {
            let items: Vec<String> =
                items.iter().map(|(number, item)| format!("{number} ({item})")).collect();
            Err(format!("the control {name} does not take {value}, only {}", items.join(", ")))
        }
        ControlKind::Menu => Ok(()),
        // A bitmask's largest value comes as a signed number.
        ControlKind::Bitmask => Ok(()),
        ControlKind::Integer | ControlKind::Boolean => {
            let step = i128::from((*step).max(1));
            let on_step = (i128::from(value) - i128::from(*min)) % step == 0;
            if (*min..=*max).contains(&value) && on_step {
                return Ok(());
            }
            let steps = if step > 1 { format!(" in steps of {step}") } else { String::new() };
            Err(format!("the control {name} does not take {value}, only {min} to {max}{steps}"))
        }
    }
}

/// Least number of characters put in, left out or changed that lead from one text to the other (Levenshtein).
fn distance(from: &str, to: &str) -> usize {
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (index, a) in from.bytes().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], index + 1);
        for (column, b) in to.bytes().enumerate() {
            let changed = diagonal + usize::from(a != b);
            diagonal = row[column + 1];
            row[column + 1] = changed.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::camera::testing::report;

    #[test]
    fn names_are_those_of_v4l2_ctl() {
        let cases = [
            ("Brightness", "brightness"),
            ("White Balance, Automatic", "white_balance_automatic"),
            ("Exposure Time, Absolute", "exposure_time_absolute"),
            ("  Gain (dB) ", "gain_db"),
            ("S-Video 000-0", "s_video_000_0"),
            ("", ""),
        ];
        report(cases.into_iter().filter_map(|(label, want)| {
            let got = control_name(label);
            (got != want).then(|| format!("{label:?}: {got:?}, not {want:?}"))
        }));
    }

    #[test]
    fn controls_are_checked_before_they_are_set() {
        let control = |id, name: &str, kind, min, max, step| Control {
            id,
            name: name.into(),
            kind,
            min,
            max,
            step,
            default: min,
            value: None,
            items: vec![],
            read_only: false,
            inactive: false,
        };
        let menu = Control {
            items: vec![(1, "Manual Mode".into()), (3, "Aperture Priority Mode".into())],
            ..control(9, "auto_exposure", ControlKind::Menu, 0, 3, 1)
        };
        let controls = [
            control(1, "exposure_time_absolute", ControlKind::Integer, 3, 2047, 1),
            control(2, "brightness", ControlKind::Integer, -64, 64, 16),
            control(3, "white_balance_automatic", ControlKind::Boolean, 0, 1, 1),
            control(4, "long", ControlKind::Other, 0, 0, 0),
            control(5, "wide", ControlKind::Integer, i64::MIN, i64::MAX, u64::MAX),
            Control { read_only: true, ..control(6, "status", ControlKind::Integer, 0, 9, 1) },
            menu,
        ];
        type Case<'a> = (&'a [(&'a str, i64)], &'a str);
        let cases: [Case; 10] = [
            (&[], "Ok([])"),
            (
                &[("exposure_time_absolute", 100), ("auto_exposure", 1), ("white_balance_automatic", 0)],
                "Ok([(9, 1), (3, 0), (1, 100)])",
            ),
            (&[("brightness", -48)], "Ok([(2, -48)])"),
            (&[("brightness", -47)], "does not take -47, only -64 to 64 in steps of 16"),
            (&[("white_balance_automatic", 2)], "does not take 2, only 0 to 1"),
            (&[("auto_exposure", 0)], "does not take 0, only 1 (Manual Mode), 3 (Aperture Priority Mode)"),
            (&[("status", 1)], "can only be read"),
            (&[("long", 1)], "cannot be set here"),
            (&[("wide", i64::MIN)], "Ok("),
            (
                &[("exposure_absolute", 1)],
                "there is no control exposure_absolute; the nearest are exposure_time_absolute, ",
            ),
        ];
        report(cases.into_iter().filter_map(|(wanted, want)| {
            let wanted: Vec<(String, i64)> =
                wanted.iter().map(|(name, value)| (name.to_string(), *value)).collect();
            let got = format!("{:?}", resolve(&controls, &wanted));
            (!got.contains(want)).then(|| format!("{wanted:?}: {got}"))
        }));
        assert!(
            resolve(&[], &[("gain".into(), 1)]).is_err_and(|reason| reason.contains("the camera has none"))
        );
    }
}
