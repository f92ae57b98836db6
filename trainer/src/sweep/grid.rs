//! All combinations of the values of several axes.

use serde::{Deserialize, Serialize};

use super::{Axis, Settings, SweepError};

/// Runs beyond this number are a slip of the pen.
const CELLS_MAX: usize = 100_000;

/// Axes whose values are combined, the last one changing fastest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grid {
    axes: Vec<Axis>,
}

/// A combination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cell {
    /// Its place in the grid, from 0.
    pub index: usize,
    /// Option and value of each axis, in their order.
    pub settings: Settings,
    /// A name that a folder can have: `alpha=0.5,temperature=4`.
    pub name: String,
}

impl Grid {
    /// A grid of at least one axis.
    ///
    /// # Errors
    /// [`SweepError::Grid`] for no axis, an option with two axes, two cells that a folder's name cannot tell apart, or too
    /// many cells.
    pub fn new(axes: Vec<Axis>) -> Result<Grid, SweepError> {
        if axes.is_empty() {
            return Err(SweepError::Grid("a sweep needs at least one --grid OPTION=VALUE,...".into()));
        }
        for (place, axis) in axes.iter().enumerate() {
            if axes[..place].iter().any(|other| other.option == axis.option) {
                return Err(SweepError::Grid(format!(
                    "--grid {} is there twice: give all its values in one",
                    axis.option
                )));
            }
        }
        let cells = axes.iter().try_fold(1_usize, |cells, axis| cells.checked_mul(axis.values.len()));
        if cells.is_none_or(|cells| cells > CELLS_MAX) {
            return Err(SweepError::Grid(format!("the grid has more than {CELLS_MAX} cells")));
        }
        let grid = Grid { axes };
        let mut names: Vec<String> = grid.cells().into_iter().map(|cell| cell.name).collect();
        names.sort();
        match names.windows(2).find(|pair| pair[0] == pair[1]) {
            Some(pair) => Err(SweepError::Grid(format!(
                "two cells would share the folder {}: shorten their values",
                pair[0]
            ))),
            None => Ok(grid),
        }
    }

    /// The axes.
    pub fn axes(&self) -> &[Axis] {
        &self.axes
    }

    /// Every combination.
    pub fn cells(&self) -> Vec<Cell> {
        let number: usize = self.axes.iter().map(|axis| axis.values.len()).product();
        (0..number).map(|index| self.cell(index)).collect()
    }

    fn cell(&self, index: usize) -> Cell {
        let mut rest = index;
        let mut settings: Settings = Vec::new();
        for axis in self.axes.iter().rev() {
            settings.push((axis.option.clone(), axis.values[rest % axis.values.len()].clone()));
            rest /= axis.values.len();
        }
        settings.reverse();
        let parts: Vec<String> =
            settings.iter().map(|(option, value)| format!("{option}={}", file_name(value))).collect();
        Cell { index, settings, name: parts.join(",") }
    }
}

/// A value as part of a folder's name; of a long one, such as a path, the end.
fn file_name(value: &str) -> String {
    let kept = |c: char| if c.is_ascii_alphanumeric() || "._-+".contains(c) { c } else { '_' };
    let name: Vec<char> = value.chars().map(kept).collect();
    name[name.len().saturating_sub(60)..].iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid(axes: &[&str]) -> Result<Grid, SweepError> {
        Grid::new(axes.iter().map(|text| Axis::parse(text).unwrap()).collect())
    }

    #[test]
    fn combinations_in_order() {
        let cells = grid(&["alpha=0.5,0.9", "seed=0..1"]).unwrap().cells();
        let names: Vec<&str> = cells.iter().map(|cell| cell.name.as_str()).collect();
        assert_eq!(names, ["alpha=0.5,seed=0", "alpha=0.5,seed=1", "alpha=0.9,seed=0", "alpha=0.9,seed=1"]);
        assert_eq!(cells[2].settings, [("alpha".into(), "0.9".into()), ("seed".into(), "0".into())]);
        assert!(cells.iter().enumerate().all(|(index, cell)| cell.index == index));
        let path = grid(&["model=runs/a/model.onnx"]).unwrap().cells();
        assert_eq!(path[0].name, "model=runs_a_model.onnx");
    }

    #[test]
    fn grids_that_cannot_be() {
        let cases: [(&[&str], &str); 4] = [
            (&[], "a sweep needs at least one"),
            (&["a=1", "b=2", "a=3"], "--grid a is there twice"),
            (&["a=0..999", "b=0..999"], "the grid has more than 100000 cells"),
            (&["a=x/y,x_y"], "two cells would share the folder a=x_y"),
        ];
        for (axes, expected) in cases {
            let message = grid(axes).unwrap_err().to_string();
            assert!(message.starts_with(expected), "{message}");
        }
    }
}
