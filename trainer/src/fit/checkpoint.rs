//! Checkpoints: everything that a run needs to go on, in one file that is whole or not there.
//!
//! The file: `SEDGECKP`, the header's length (u64, little endian), the header (JSON: state, and name, type and shape of
//! every tensor), the tensors' bytes in that order, and the SHA-256 of all before it.

use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tch::{Device, Kind, TchError, Tensor};

use super::{FitError, write_atomic};

const MAGIC: &[u8; 8] = b"SEDGECKP";
const HASH_BYTES: usize = 32;

/// Why a checkpoint cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// The file cannot be read.
    #[error("{}: {reason}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        reason: std::io::Error,
    },
    /// The bytes are not a whole checkpoint.
    #[error("{}: not a whole checkpoint ({reason}); take another one of the same folder", path.display())]
    Broken {
        /// The file.
        path: PathBuf,
        /// What was found.
        reason: String,
    },
    /// A tensor's type cannot be stored.
    #[error("tensor {name} is {kind}, but checkpoints hold float and i64")]
    Kind {
        /// The tensor.
        name: String,
        /// Its type.
        kind: String,
    },
    /// libtorch failed.
    #[error("libtorch: {0}")]
    Torch(#[from] TchError),
}

/// A run's state `S` and its tensors by name.
#[derive(Debug)]
pub struct Checkpoint<S> {
    /// What is no tensor.
    pub state: S,
    /// The tensors, with names such as `variable/conv1.weight`.
    pub tensors: Vec<(String, Tensor)>,
}

#[derive(Serialize, Deserialize)]
struct Header<S> {
    state: S,
    tensors: Vec<Entry>,
}

#[derive(Serialize, Deserialize)]
struct Entry {
    name: String,
    kind: String,
    shape: Vec<i64>,
}

const KINDS: [(Kind, &str); 3] = [(Kind::Float, "f32"), (Kind::Double, "f64"), (Kind::Int64, "i64")];

impl<S: Serialize + DeserializeOwned> Checkpoint<S> {
    /// Writes the checkpoint, atomically.
    ///
    /// # Errors
    /// When the file cannot be written or a tensor not be read.
    pub fn write(&self, path: &Path) -> Result<(), FitError> {
        write_atomic(path, &self.to_bytes()?)
    }

    /// The file's bytes.
    ///
    /// # Errors
    /// [`CheckpointError::Kind`], and what libtorch says.
    pub fn to_bytes(&self) -> Result<Vec<u8>, CheckpointError> {
        let mut entries = Vec::with_capacity(self.tensors.len());
        for (name, tensor) in &self.tensors {
            let kind = tensor.f_kind()?;
            let Some((_, label)) = KINDS.iter().find(|(known, _)| *known == kind) else {
                return Err(CheckpointError::Kind { name: name.clone(), kind: format!("{kind:?}") });
            };
            entries.push(Entry { name: name.clone(), kind: label.to_string(), shape: tensor.size() });
        }
        let header = Header { state: &self.state, tensors: entries };
        let header = serde_json::to_vec(&header).map_err(|error| CheckpointError::Broken {
            path: PathBuf::new(),
            reason: format!("its state cannot be written: {error}"),
        })?;
        let mut bytes = MAGIC.to_vec();
        bytes.extend_from_slice(&(header.len() as u64).to_le_bytes());
        bytes.extend_from_slice(&header);
        for (_, tensor) in &self.tensors {
            let tensor = tensor.f_detach()?.f_to_device(Device::Cpu)?.f_contiguous()?;
            let start = bytes.len();
            bytes.resize(start + tensor.numel() * tensor.kind().elt_size_in_bytes(), 0);
            tensor.f_copy_data_u8(&mut bytes[start..], tensor.numel())?;
        }
        let hash = Sha256::digest(&bytes);
        bytes.extend_from_slice(&hash);
        Ok(bytes)
    }

    /// Reads a checkpoint and checks that it is whole.
    ///
    /// # Errors
    /// [`CheckpointError::File`] and [`CheckpointError::Broken`].
    pub fn read(path: &Path) -> Result<Checkpoint<S>, CheckpointError> {
        let bytes = std::fs::read(path)
            .map_err(|reason| CheckpointError::File { path: path.to_path_buf(), reason })?;
        Checkpoint::from_bytes(&bytes)
            .map_err(|reason| CheckpointError::Broken { path: path.to_path_buf(), reason })
    }

    fn from_bytes(bytes: &[u8]) -> Result<Checkpoint<S>, String> {
        let body = bytes.len().checked_sub(HASH_BYTES).ok_or("it is too short")?;
        let (body, hash) = bytes.split_at(body);
        let rest = body.strip_prefix(MAGIC).ok_or("it begins otherwise")?;
        if Sha256::digest(body).as_slice() != hash {
            return Err("its hash differs".to_string());
        }
        let (length, rest) = rest.split_first_chunk().ok_or("it has no header")?;
        let length = usize::try_from(u64::from_le_bytes(*length)).map_err(|error| error.to_string())?;
        let (header, mut data) = rest.split_at_checked(length).ok_or("its header is cut off")?;
        let header: Header<S> = serde_json::from_slice(header).map_err(|error| error.to_string())?;
        let mut tensors = Vec::with_capacity(header.tensors.len());
        for entry in header.tensors {
            let known = KINDS.iter().find(|(_, label)| *label == entry.kind);
            let (kind, _) =
                known.ok_or_else(|| format!("tensor {} is of type {}", entry.name, entry.kind))?;
            let elements = entry.shape.iter().try_fold(1_usize, |product, &size| {
                usize::try_from(size).ok().and_then(|size| product.checked_mul(size))
            });
            let wanted = elements.and_then(|elements| elements.checked_mul(kind.elt_size_in_bytes()));
            let (own, others) = wanted
                .and_then(|wanted| data.split_at_checked(wanted))
                .ok_or_else(|| format!("tensor {} is cut off", entry.name))?;
            let tensor =
                Tensor::f_from_data_size(own, &entry.shape, *kind).map_err(|error| error.to_string())?;
            tensors.push((entry.name, tensor));
            data = others;
        }
        Ok(Checkpoint { state: header.state, tensors })
    }
}

impl<S> Checkpoint<S> {
    /// The tensors whose names begin with `prefix`, without it.
    pub fn part(&self, prefix: &str) -> Vec<(String, Tensor)> {
        self.tensors
            .iter()
            .filter_map(|(name, tensor)| {
                Some((name.strip_prefix(prefix)?.to_string(), tensor.shallow_clone()))
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Checkpoint<serde_json::Value> {
        let tensors = vec![
            ("variable/a".to_string(), Tensor::from_slice(&[1.5_f32, -0.0, f32::MIN_POSITIVE]).view([3, 1])),
            ("variable/empty".to_string(), Tensor::zeros([0], (Kind::Float, Device::Cpu))),
            ("optimizer/steps".to_string(), Tensor::from_slice(&[i64::MAX])),
        ];
        Checkpoint { state: serde_json::json!({"epoch": 3, "best": 0.1}), tensors }
    }

    #[test]
    fn a_checkpoint_comes_back_bit_for_bit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("last.ckpt");
        sample().write(&path).unwrap();
        let back: Checkpoint<serde_json::Value> = Checkpoint::read(&path).unwrap();
        assert_eq!(back.state, sample().state);
        assert_eq!(back.to_bytes().unwrap(), sample().to_bytes().unwrap());
        let variables: Vec<_> =
            back.part("variable/").into_iter().map(|(name, tensor)| (name, tensor.size())).collect();
        assert_eq!(variables, [("a".to_string(), vec![3, 1]), ("empty".to_string(), vec![0])]);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "the file beside it is left over");
    }

    #[test]
    fn every_cut_and_every_changed_byte_is_noticed() {
        let bytes = sample().to_bytes().unwrap();
        let broken = |bytes: &[u8]| Checkpoint::<serde_json::Value>::from_bytes(bytes).is_err();
        let cuts: Vec<usize> = (0..bytes.len()).filter(|&length| !broken(&bytes[..length])).collect();
        assert!(cuts.is_empty(), "cuts at {cuts:?} were not noticed");
        let changes: Vec<usize> = (0..bytes.len())
            .filter(|&place| {
                let mut bytes = bytes.clone();
                bytes[place] ^= 1;
                !broken(&bytes)
            })
            .collect();
        assert!(changes.is_empty(), "changes at {changes:?} were not noticed");
    }
}
