//! Tests of frames on their way into a network.

use super::*;
use std::time::Duration;

fn frame(format: PixelFormat, width: u32, height: u32, data: Vec<u8>) -> Frame {
    Frame { number: 3, time: Duration::ZERO, width, height, format, data, name: None }
}

fn rule(color: ColorOrder, resize: ResizeRule) -> InputRule {
    // Mean 0 and std 1/255 give the pixel values themselves.
    let channels = color.channels();
    InputRule { color, mean: vec![0.0; channels], std: vec![1.0 / 255.0; channels], resize }
}

#[test]
fn channels_sizes_and_padding() {
    use ColorOrder::*;
    use PixelFormat::*;
    use ResizeRule::*;
    let p = f32::from(PADDING);
    struct Case {
        name: &'static str,
        rule: InputRule,
        size: (u32, u32),
        frame: Frame,
        place: (u32, u32, u32, u32),
        input: Vec<f32>,
    }
    let cases = [
        Case {
            name: "rgb at its own size",
            rule: rule(Rgb, Stretch),
            size: (2, 1),
            frame: frame(Rgb8, 2, 1, vec![1, 2, 3, 4, 5, 6]),
            place: (0, 0, 2, 1),
            input: vec![1., 4., 2., 5., 3., 6.],
        },
        Case {
            name: "bgr turns the channels round",
            rule: rule(Bgr, Stretch),
            size: (2, 1),
            frame: frame(Rgb8, 2, 1, vec![1, 2, 3, 4, 5, 6]),
            place: (0, 0, 2, 1),
            input: vec![3., 6., 2., 5., 1., 4.],
        },
        Case {
            name: "grey of rgb",
            rule: rule(Gray, Stretch),
            size: (3, 1),
            frame: frame(Rgb8, 3, 1, vec![255, 255, 255, 100, 0, 0, 0, 100, 0]),
            place: (0, 0, 3, 1),
            input: vec![255., 30., 59.],
        },
        Case {
            name: "grey frame in every channel",
            rule: rule(Rgb, Stretch),
            size: (1, 1),
            frame: frame(Gray8, 1, 1, vec![9]),
            place: (0, 0, 1, 1),
            input: vec![9., 9., 9.],
        },
        Case {
            name: "grey of yuv is Y at full range",
            rule: rule(Gray, Stretch),
            size: (2, 1),
            frame: frame(I420, 2, 1, vec![16, 235, 7, 250]),
            place: (0, 0, 2, 1),
            input: vec![0., 255.],
        },
        Case {
            name: "yuv to rgb",
            rule: rule(Rgb, Stretch),
            size: (1, 1),
            frame: frame(I444, 1, 1, vec![81, 90, 240]),
            place: (0, 0, 1, 1),
            input: vec![254., 0., 0.],
        },
        Case {
            name: "a reduction averages (triangle of support 2)",
            rule: rule(Gray, Stretch),
            size: (1, 1),
            frame: frame(Gray8, 2, 2, vec![10, 20, 30, 40]),
            place: (0, 0, 1, 1),
            input: vec![25.],
        },
        Case {
            name: "a wide frame gets padding above and below",
            rule: rule(Gray, Letterbox),
            size: (4, 4),
            frame: frame(Gray8, 4, 2, vec![1, 2, 3, 4, 5, 6, 7, 8]),
            place: (0, 1, 4, 2),
            input: vec![p, p, p, p, 1., 2., 3., 4., 5., 6., 7., 8., p, p, p, p],
        },
        Case {
            name: "a high frame gets padding left and right, the odd column right",
            rule: rule(Gray, Letterbox),
            size: (4, 2),
            frame: frame(Gray8, 1, 2, vec![1, 2]),
            place: (1, 0, 1, 2),
            input: vec![p, 1., p, p, p, 2., p, p],
        },
        Case {
            name: "a very flat frame keeps one row",
            rule: rule(Gray, Letterbox),
            size: (2, 3),
            frame: frame(Gray8, 100, 1, vec![5; 100]),
            place: (0, 1, 2, 1),
            input: vec![p, p, 5., 5., p, p],
        },
    ];
    let mut wrong = Vec::new();
    for case in cases {
        let mut preparer = Preparer::new(case.rule, case.size.0, case.size.1).unwrap();
        // Twice, so that what the first frame left in the buffers would show.
        for _ in 0..2 {
            let mut input = vec![f32::NAN; preparer.input_len()];
            let place = preparer.prepare(&case.frame, &mut input).unwrap();
            let near = input.len() == case.input.len()
                && input.iter().zip(&case.input).all(|(got, want)| (got - want).abs() < 1e-3);
            if !near || (place.x, place.y, place.width, place.height) != case.place {
                wrong.push(format!("{}: {place:?} {input:?}", case.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn values_are_those_of_torchvision() {
    let (mean, std) = (vec![0.485, 0.456, 0.406], vec![0.229, 0.224, 0.225]);
    let rule = InputRule::new(ColorOrder::Rgb, mean.clone(), std.clone(), ResizeRule::Stretch).unwrap();
    let mut preparer = Preparer::new(rule, 256, 1).unwrap();
    let data = (0..=255).flat_map(|pixel| [pixel; 3]).collect();
    let mut input = vec![0.0; preparer.input_len()];
    preparer.prepare(&frame(PixelFormat::Rgb8, 256, 1, data), &mut input).unwrap();
    for (channel, values) in input.chunks_exact(256).enumerate() {
        for (pixel, &value) in values.iter().enumerate() {
            assert_eq!(value, (pixel as f32 / 255.0 - mean[channel]) / std[channel], "{channel} {pixel}");
        }
    }
}

#[test]
fn placements_as_fractions() {
    let place = Placement { x: 0, y: 64, width: 512, height: 384 };
    assert_eq!(place.fraction(512, 512), Region { x: 0.0, y: 0.125, width: 1.0, height: 0.75 });
}

#[test]
fn rules_are_checked_and_read() {
    let cases = [
        (r#"{"color":"rgb","mean":[0,0,0],"std":[1,1,1],"resize":"stretch"}"#, None),
        (r#"{"color":"gray","mean":[0],"std":[1],"resize":"letterbox"}"#, None),
        (
            r#"{"color":"bgr","mean":[0,0],"std":[1,1,1],"resize":"stretch"}"#,
            Some("mean has 2 values, but Bgr has 3 channel(s)"),
        ),
        (
            r#"{"color":"gray","mean":[0],"std":[1,1,1],"resize":"stretch"}"#,
            Some("std has 3 values, but Gray has 1 channel(s)"),
        ),
        (
            r#"{"color":"gray","mean":[0],"std":[0],"resize":"stretch"}"#,
            Some("std holds 0, but it must be above 0"),
        ),
        (
            r#"{"color":"gray","mean":[0],"std":[-1],"resize":"stretch"}"#,
            Some("std holds -1, but it must be above 0"),
        ),
    ];
    let mut wrong = Vec::new();
    for (json, expected) in cases {
        let rule: InputRule = serde_json::from_str(json).unwrap();
        let reason = match rule.check() {
            Err(PrepareError::Rule { reason }) => Some(reason),
            _ => None,
        };
        if reason.as_deref() != expected {
            wrong.push(format!("{json}: {reason:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let nan = InputRule { mean: vec![f32::NAN; 3], ..InputRule::symmetric() };
    assert!(nan.check().is_err());
    assert_eq!(InputRule::symmetric().check(), Ok(()));
    assert_eq!(
        serde_json::to_string(&InputRule::symmetric()).unwrap(),
        r#"{"color":"rgb","mean":[0.5,0.5,0.5],"std":[0.5,0.5,0.5],"resize":"stretch"}"#
    );
}

#[test]
fn what_does_not_fit_is_refused() {
    let size = Preparer::new(InputRule::symmetric(), 0, 4).err();
    assert_eq!(size, Some(PrepareError::InputSize { width: 0, height: 4 }));
    let mut preparer = Preparer::new(InputRule::symmetric(), 2, 2).unwrap();
    let good = frame(PixelFormat::Gray8, 1, 1, vec![0]);
    let short = preparer.prepare(&good, &mut [0.0; 11]).err();
    assert_eq!(short, Some(PrepareError::InputLength { expected: 12, found: 11 }));
    let broken = frame(PixelFormat::Gray8, 1, 2, vec![0]);
    let message = preparer.prepare(&broken, &mut [0.0; 12]).unwrap_err().to_string();
    assert!(message.starts_with("frame 3: 1x2 Gray8 takes 2 bytes"), "{message}");
}
