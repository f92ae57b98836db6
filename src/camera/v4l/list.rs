//! Which cameras there are, and what each offers.

use std::io;
use std::path::PathBuf;

use super::control::Control;
use super::device::{Cameras, Captures, Device};
use super::mode::Mode;
use crate::camera::SourceError;

/// A device that captures frames.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CameraInfo {
    /// Its node: `/dev/video0`.
    pub path: PathBuf,
    /// A link to it that stays its own when it is plugged in again, where the system makes such links.
    pub stable_path: Option<PathBuf>,
    /// The driver's name.
    pub driver: String,
    /// What the camera calls itself.
    pub card: String,
    /// Where it is plugged in.
    pub bus: String,
    /// Formats, sizes and frame rates.
    pub modes: Vec<Mode>,
    /// Its controls.
    pub controls: Vec<Control>,
    /// Why it cannot be used, or not asked.
    pub problem: Option<String>,
}

/// All capture devices of this machine, in natural order of their nodes; none is no error.
///
/// # Errors
/// [`SourceError::Unsupported`] in a build without the feature `v4l`.
pub fn cameras() -> Result<Vec<CameraInfo>, SourceError> {
    #[cfg(feature = "v4l")]
    return Ok(list(&super::kernel::System));
    #[cfg(not(feature = "v4l"))]
    Err(super::not_built("cameras"))
}

pub(super) fn list<C: Cameras>(cameras: &C) -> Vec<CameraInfo> {
    let mut found = Vec::new();
    for path in cameras.nodes() {
        let mut info = CameraInfo { stable_path: cameras.stable_path(&path), path, ..CameraInfo::default() };
        match ask(cameras, &mut info) {
            Ok(Captures::Nothing) => continue,
            Ok(Captures::Frames) => {}
            Ok(Captures::Otherwise) => {
                info.problem = Some(
                    "it captures only into several planes or without mapped buffers, which is not supported"
                        .into(),
                );
            }
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                info.problem = Some(format!("{error}: make the user a member of the group video"));
            }
            Err(error) => info.problem = Some(error.to_string()),
        }
        found.push(info);
    }
    found
}

fn ask<C: Cameras>(cameras: &C, info: &mut CameraInfo) -> io::Result<Captures> {
    let device = cameras.open(&info.path)?;
    let identity = device.identity()?;
    info.driver = identity.driver;
    info.card = identity.card;
    info.bus = identity.bus;
    if identity.captures == Captures::Frames {
        info.modes = device.modes()?;
        info.controls = device.controls()?;
    }
    Ok(identity.captures)
}

#[cfg(test)]
mod tests {
    use rustix::io::Errno;

    use super::super::device::Identity;
    use super::super::format::Encoding;
    use super::super::testing::{Machine, Plan, absent, camera};
    use super::*;

    #[test]
    fn devices_that_capture_are_listed() {
        let yuyv = || camera(Encoding::Yuyv, &[]);
        let captures = |captures| Plan { identity: Identity { captures, ..yuyv().identity }, ..yuyv() };
        let machine = Machine::new(vec![yuyv()])
            .with("/dev/video1", vec![captures(Captures::Nothing)])
            .with("/dev/video2", vec![captures(Captures::Otherwise)])
            .with("/dev/video3", vec![absent(Errno::ACCESS)])
            .with_link("/dev/video0", "/dev/v4l/by-id/cam");
        let got: Vec<String> = list(&machine)
            .into_iter()
            .map(|camera| {
                let CameraInfo { path, stable_path, card, modes, controls, problem, .. } = camera;
                let (modes, controls) = (modes.len(), controls.len());
                format!("{path:?} {stable_path:?} {card} {modes} modes {controls} controls {problem:?}")
            })
            .collect();
        let several =
            "it captures only into several planes or without mapped buffers, which is not supported";
        assert_eq!(
            got,
            [
                "\"/dev/video0\" Some(\"/dev/v4l/by-id/cam\") Camera 1 modes 1 controls None".to_string(),
                format!("\"/dev/video2\" None Camera 0 modes 0 controls Some({several:?})"),
            ]
        );
        assert_eq!(list(&Machine::default()), []);
    }
}
