//! What the doctor can find, how bad each is, and what to do about it.

use serde::{Serialize, Serializer};

/// How bad a finding is; the worst is first in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Training would fail, or learn or report something wrong.
    Error,
    /// Training works, but the result is likely to be worse or the scores too good.
    Warning,
    /// Worth knowing; nothing has to be done.
    Note,
}

impl Severity {
    /// "error", "warning" or "note".
    pub fn name(self) -> &'static str {
        match self {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Note => "note",
        }
    }
}

macro_rules! kinds {
    ($($(#[doc = $doc:literal])* $kind:ident = $code:literal, $severity:ident, $title:literal, $advice:literal;)*) => {
        /// What can be found; each has a code that stays the same from version to version.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Kind { $($(#[doc = $doc])* $kind,)* }

        impl Kind {
            /// Every kind.
            pub const ALL: &'static [Kind] = &[$(Kind::$kind),*];

            /// The name in JSON and in the first column of the text.
            pub fn code(self) -> &'static str {
                match self { $(Kind::$kind => $code,)* }
            }

            /// How bad it is where the case itself does not say.
            pub fn severity(self) -> Severity {
                match self { $(Kind::$kind => Severity::$severity,)* }
            }

            /// What it is.
            pub fn title(self) -> &'static str {
                match self { $(Kind::$kind => $title,)* }
            }

            /// What to do about it.
            pub fn advice(self) -> &'static str {
                match self { $(Kind::$kind => $advice,)* }
            }
        }
    };
}

kinds! {
    /// META.json is missing.
    NoMeta = "no-meta", Error, "there is no META.json",
        "Write META.json beside the splits: {\"classes\": [\"background\", ...], \"ignore\": 255}. Without it no label can be checked.";
    /// META.json cannot be understood.
    Meta = "meta", Error, "META.json cannot be understood", "Correct it; \"classes\" is a list of names.";
    /// Folders that are no train, val or test.
    Splits = "splits", Note, "splits are missing",
        "Training reads train, chooses its best epoch on val and is reported on test; without val a tenth of train is held back.";
    /// A split without pictures.
    SplitEmpty = "split-empty", Error, "a split holds no pictures", "Fill it or remove its folder.";
    /// A tar, IDX or binary file that cannot be read.
    Archive = "archive", Error, "an archive cannot be read to its end", "Download or pack it again.";
    /// A picture without a mask.
    NoMask = "no-mask", Error, "pictures without a mask",
        "A mask has the picture's name with .png, in the folder masks: rename it, draw it, or remove the picture.";
    /// A mask without a picture.
    NoImage = "no-image", Warning, "masks without a picture", "They are left out: restore the pictures or remove the masks.";
    /// Two pictures with one mask.
    StemTwice = "stem-twice", Error, "pictures that share one mask", "Two pictures differ only in their ending: rename or remove one.";
    /// Files that are no pictures.
    Stray = "stray", Note, "files that are no pictures", "They are left out.";
    /// A picture that cannot be decoded.
    Undecodable = "undecodable", Error, "pictures that cannot be decoded", "Fetch them again or remove them with their masks.";
    /// A picture whose end is missing.
    Truncated = "truncated", Error, "pictures that are cut short",
        "Decoders fill the missing part with grey, which is then learnt: fetch them again or remove them with their masks.";
    /// A mask that cannot be decoded.
    MaskUndecodable = "mask-undecodable", Error, "masks that cannot be decoded", "Export them again or remove them with their pictures.";
    /// A mask that holds colors or 16 bits.
    MaskFormat = "mask-format", Error, "masks that hold no class ids",
        "A mask is an 8-bit grey PNG whose values are class ids, or an indexed PNG whose indices are. Map each color to its class's id \
         and save that; 16-bit masks become 8-bit without scaling; JPEG masks have to be exported anew, since JPEG changes values.";
    /// A mask with a palette.
    MaskPalette = "mask-palette", Note, "masks with a palette",
        "The index is read as the class id and the colors are not looked at. If the tool sorts its palette by file, ids differ from file \
         to file: the classes' shares below show it.";
    /// Picture and mask differ in size.
    SizeDiffers = "size-differs", Error, "masks of another size than their picture",
        "Export the mask at the picture's size, or resize it by nearest neighbour; a turned size hints at an EXIF orientation.";
    /// Not the size that META.json says.
    SizeMeta = "size-meta", Warning, "pictures of another size than META.json says", "Correct \"size\" in META.json or remove it.";
    /// One color all over.
    Constant = "constant", Warning, "pictures of a single color", "Nothing can be learnt from them: remove them with their masks.";
    /// More than 8 bits a channel.
    Depth = "depth", Note, "pictures of more than 8 bits a channel",
        "They are cut to their upper 8 bits (no input can be NaN or infinite: only 8- and 16-bit integers are read). Where the values use a \
         small part of the range, stretch them to 8 bits before.";
    /// An alpha channel.
    Alpha = "alpha", Note, "pictures that are partly transparent", "Transparency is dropped and the color below it seen: flatten them if that is not wanted.";
    /// EXIF says turned.
    Orientation = "orientation", Warning, "pictures that EXIF says to turn",
        "Pixels are read as stored, which is not what a viewer or a labelling tool shows: turn them for good (for example jpegtran or \
         ImageMagick's -auto-orient) and check their masks.";
    /// The ending says another format.
    Ending = "ending", Warning, "files whose ending names another format", "Rename them.";
    /// Grey and color pictures mixed.
    Channels = "channels", Note, "grey and color pictures are mixed", "Grey ones are repeated to three channels; a network may learn the difference itself.";
    /// Ids that are no class.
    LabelOutside = "label-outside", Error, "labels outside the classes",
        "Add the class to META.json, or map the id to a class or to the ignore label.";
    /// Ids that lie only on borders.
    LabelFringe = "label-fringe", Error, "labels that only occur on borders (anti-aliased or resized masks)",
        "The masks were drawn with smooth edges or resized with interpolation, which makes ids between those of the neighbours: export \
         them without anti-aliasing and resize by nearest neighbour only.";
    /// A mask of nothing but ignore.
    MaskVoid = "mask-void", Warning, "masks that ignore every pixel", "They teach nothing: label or remove them.";
    /// The ignore label is one of the classes.
    IgnoreClass = "ignore-class", Note, "the ignore label is one of the classes",
        "Its pixels count neither way, so a network's output for it is never trained: leave it out of the network's classes.";
    /// A class that never occurs.
    ClassEmpty = "class-empty", Error, "classes that never occur", "Remove them from the classes, or label some.";
    /// A class that a split lacks.
    ClassMissing = "class-missing", Warning, "classes that are missing in a split",
        "Divide the files anew so that each split has some: a class that train lacks cannot be learnt, one that val or test lacks is not scored.";
    /// A class that is far rarer than others.
    ClassRare = "class-rare", Note, "classes that are rare",
        "Use --class-weights auto, or a loss with Dice or Lovasz; look at the class's own IoU, which the mean hides.";
    /// One picture, several labels.
    Conflict = "conflict", Error, "equal pictures with different labels", "At most one label is right: keep the better one and remove the other picture; outlines that differ a little may both do.";
    /// Equal pictures in several splits.
    DuplicateSplits = "duplicate-splits", Warning, "pictures that are in several splits",
        "The scores count pictures that were trained on: remove them from one of the splits (from train, to keep a benchmark comparable).";
    /// Equal pictures in a split.
    Duplicate = "duplicate", Warning, "pictures that are there more than once", "They weigh more than the others: keep one of each.";
    /// Nearly equal pictures in several splits.
    NearSplits = "near-splits", Warning, "pictures that nearly equal one of another split",
        "Frames of one scene, or copies made smaller or packed harder, belong in one split: divide by scene, not by file.";
    /// Nearly equal pictures in a split.
    Near = "near", Note, "pictures that nearly equal another of their split",
        "Neighbouring frames of a video teach little more than one of them: thinning them out saves time.";
    /// A loss far beyond the others'.
    Suspect = "suspect", Warning, "labels that the model contradicts",
        "Look at these first: a wrong label, a rare case, or one that the model has not learnt.";
}

impl Serialize for Kind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.code())
    }
}

/// A case of a kind: where, and what exactly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// The kind.
    pub kind: Kind,
    /// How bad this case is.
    pub severity: Severity,
    /// The file within the data set, or the class, or nothing where it is the set as a whole.
    pub place: String,
    /// What exactly; may be empty.
    pub detail: String,
}

impl Trouble {
    /// A case as bad as its kind.
    pub fn new(kind: Kind, place: impl Into<String>, detail: impl Into<String>) -> Trouble {
        Trouble { kind, severity: kind.severity(), place: place.into(), detail: detail.into() }
    }

    /// The same case, as bad as `severity`.
    pub fn rated(self, severity: Severity) -> Trouble {
        Trouble { severity, ..self }
    }
}

/// An example of a finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Instance {
    /// The file within the data set, or the class.
    pub place: String,
    /// What exactly.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub detail: String,
}

/// All cases of one kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The worst of its cases.
    pub severity: Severity,
    /// What it is.
    pub kind: Kind,
    /// The same in words.
    pub title: &'static str,
    /// Number of cases.
    pub count: usize,
    /// The first cases.
    pub examples: Vec<Instance>,
    /// What to do about it.
    pub advice: &'static str,
}

/// Cases gathered by kind, the worst kind first; each with at most `examples` of its cases, the worst first and else in
/// the order given.
pub fn gather(mut troubles: Vec<Trouble>, examples: usize) -> Vec<Finding> {
    troubles.sort_by_key(|trouble| (trouble.kind, trouble.severity));
    let finding = |cases: &[Trouble]| {
        let Trouble { kind, severity, .. } = cases[0];
        let instance = |case: &Trouble| Instance { place: case.place.clone(), detail: case.detail.clone() };
        let examples = cases.iter().take(examples).map(instance).collect();
        let (title, advice) = (kind.title(), kind.advice());
        Finding { severity, kind, title, count: cases.len(), examples, advice }
    };
    let mut findings: Vec<Finding> =
        troubles.chunk_by(|one, other| one.kind == other.kind).map(finding).collect();
    findings.sort_by_key(|finding| finding.severity);
    findings
}
