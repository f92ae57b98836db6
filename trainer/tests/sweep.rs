//! Sweeps of a program that takes no time: what runs, what is kept, what is gathered.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

use sedge_train::sweep::schedule::{self, Event, Outcome};
use sedge_train::sweep::{Axis, Grid, Plan, Table};

/// Writes the product of alpha and temperature plus the seed's thousandth as accuracy. It fails where alpha is 9, unless the file `mended` lies
/// beside it, and waits for a signal where alpha is 8, unless there is `quick`.
const PROGRAM: &str = r#"#!/bin/sh
here=$(dirname "$0")
alpha=0 temperature=1 seed=0
echo "$@" >>"$here/calls"
while [ $# -gt 0 ]; do
    case $1 in
        --alpha=*) alpha=${1#*=} ;;
        --temperature=*) temperature=${1#*=} ;;
        --seed=*) seed=${1#*=} ;;
        --out) out=$2 ;;
    esac
    shift
done
if [ "$alpha" = 9 ] && [ ! -e "$here/mended" ]; then
    echo "first line"
    echo "out of luck" >&2
    exit 3
fi
if [ "$alpha" = 8 ] && [ ! -e "$here/quick" ]; then exec tail -f /dev/null; fi
accuracy=$(awk "BEGIN { print $alpha * $temperature / 100 + $seed / 1000 }")
echo "{\"seconds\": $OMP_NUM_THREADS, \"test\": {\"accuracy\": $accuracy, \"iou\": [[\"cat\", 0.5], [\"dog\", null]]}}" >"$out/result.json"
"#;

fn stub(folder: &Path) -> PathBuf {
    let path = folder.join("stub.sh");
    fs::write(&path, PROGRAM).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

fn plan(folder: &Path, axes: &[&str]) -> Plan {
    let grid = Grid::new(axes.iter().map(|text| Axis::parse(text).unwrap()).collect()).unwrap();
    let command = vec!["fit".to_owned(), "--model=x".to_owned()];
    Plan::new(&folder.join("sweep"), Some(stub(folder)), command, grid).unwrap()
}

fn calls(folder: &Path) -> usize {
    fs::read_to_string(folder.join("calls")).map_or(0, |text| text.lines().count())
}

/// Runs all cells; the outcome and what happened, in words.
fn run(plan: &Plan, jobs: usize) -> (Outcome, Vec<String>) {
    let mut events = Vec::new();
    let stop = AtomicBool::new(false);
    let mut watch =
        |cell: &sedge_train::sweep::Cell, event: Event| events.push(format!("{} {event:?}", cell.name));
    let outcome = schedule::run(plan, plan.grid.cells(), jobs, 2, &stop, &mut watch).unwrap();
    (outcome, events)
}

fn outcome(done: usize, failed: usize, taken: usize, left: usize) -> Outcome {
    Outcome { done, failed, taken, left }
}

#[test]
fn what_is_complete_is_kept_and_what_failed_is_tried_again() {
    let folder = tempfile::tempdir().unwrap();
    let plan = plan(folder.path(), &["alpha=1,9", "seed=0..1"]);
    let (first, events) = run(&plan, 3);
    assert_eq!((first, calls(folder.path())), (outcome(2, 2, 0, 0), 4), "{events:?}");
    let told = events.iter().find(|event| event.starts_with("alpha=9,seed=0 Failed")).unwrap();
    assert!(told.contains("exit status: 3") && told.contains("first line\\nout of luck"), "{told}");
    assert_eq!(plan.pending().len(), 2);
    fs::write(folder.path().join("mended"), "").unwrap();
    assert_eq!(run(&plan, 1).0, outcome(4, 0, 0, 0));
    assert_eq!((run(&plan, 1).0, calls(folder.path())), (outcome(4, 0, 0, 0), 6));
    let call = fs::read_to_string(folder.path().join("calls")).unwrap();
    let cell = plan.cell_folder(&plan.grid.cells()[0]);
    assert!(
        call.contains(&format!("fit --model=x --alpha=1 --seed=0 --out {} --resume\n", cell.display())),
        "{call}"
    );
}

#[test]
fn a_stop_ends_what_runs_and_keeps_what_is_done() {
    let folder = tempfile::tempdir().unwrap();
    let plan = plan(folder.path(), &["alpha=1,8", "seed=0..2"]);
    let stop = AtomicBool::new(false);
    let mut waiting = 0;
    let mut watch = |cell: &sedge_train::sweep::Cell, event: Event| {
        if event == Event::Started && cell.name.starts_with("alpha=8") {
            waiting += 1;
            stop.store(waiting == 2, Ordering::Relaxed);
        }
    };
    let stopped = schedule::run(&plan, plan.grid.cells(), 2, 1, &stop, &mut watch).unwrap();
    assert_eq!(stopped, outcome(3, 0, 0, 3));
    fs::write(folder.path().join("quick"), "").unwrap();
    assert_eq!(run(&plan, 2).0, outcome(6, 0, 0, 0));
}

#[test]
fn a_cell_that_runs_elsewhere_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let plan = plan(folder.path(), &["alpha=1,2"]);
    let lock = fs::File::create(plan.prepare(&plan.grid.cells()[1]).unwrap().join(".lock")).unwrap();
    lock.lock().unwrap();
    assert_eq!(run(&plan, 1).0, outcome(1, 0, 1, 0));
    drop(lock);
    assert_eq!(run(&plan, 1).0, outcome(2, 0, 0, 0));
}

#[test]
fn commands_that_contradict_the_grid_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let plan = |command: &[&str], axes: &[&str]| {
        let grid = Grid::new(axes.iter().map(|text| Axis::parse(text).unwrap()).collect()).unwrap();
        let command = command.iter().map(|word| (*word).to_owned()).collect();
        Plan::new(&folder.path().join("sweep"), None, command, grid).map_err(|error| error.to_string())
    };
    let cases: [(&[&str], &[&str], &str); 5] = [
        (&[], &["alpha=1"], "say what to run"),
        (&["fit", "--out", "x"], &["alpha=1"], "--out belongs to the sweep"),
        (&["fit", "--alpha=1"], &["alpha=1"], "--alpha is set by --grid and by the command"),
        (&["fit", "--alpha", "1"], &["seed=1", "alpha=1"], "--alpha is set by --grid and by the command"),
        (&["fit"], &["out=a,b"], "--out is set by --grid"),
    ];
    for (command, axes, expected) in cases {
        let message = plan(command, axes).unwrap_err();
        assert!(message.starts_with(expected), "{message}");
    }
    plan(&["fit", "--epochs", "1"], &["seed=0,1"]).unwrap();
    plan(&["fit", "--epochs", "1"], &["seed=0..3"]).unwrap();
    let message = plan(&["fit", "--epochs", "2"], &["seed=0,1"]).unwrap_err();
    assert!(message.contains("holds a sweep of another command (fit --epochs 1)"), "{message}");
}

#[test]
fn results_become_a_table_and_a_map() {
    let folder = tempfile::tempdir().unwrap();
    let plan = plan(folder.path(), &["temperature=2..10:8", "alpha=1,3", "seed=0..1"]);
    assert_eq!(run(&plan, 4).0, outcome(8, 0, 0, 0));
    let table = Table::new(plan.results().unwrap());
    let csv = table.csv();
    let lines: Vec<&str> = csv.lines().collect();
    assert_eq!(lines[0], "temperature,alpha,seed,seconds,test.accuracy,test.iou.cat");
    assert_eq!(lines[1..4], ["2,1,0,2,0.02,0.5", "2,1,1,2,0.021,0.5", "2,3,0,2,0.06,0.5"]);
    assert_eq!((lines.len(), lines[8]), (9, "10,3,1,2,0.301,0.5"));
    assert_eq!(
        (table.usual_axes(), table.usual_score()),
        (Some(("temperature", "alpha")), Some("test.accuracy"))
    );
    let map = table.heat_map("temperature", "alpha", "test.accuracy");
    assert_eq!(
        (map.rows.1, map.columns.1),
        (vec!["2".into(), "10".into()], vec!["1".into(), "3".to_owned()])
    );
    let means: Vec<f64> = map.cells.iter().flatten().map(|cell| cell.unwrap().0).collect();
    for (mean, expected) in means.iter().zip([0.0205, 0.0605, 0.1005, 0.3005]) {
        assert!((mean - expected).abs() < 1e-9, "{means:?}");
    }
    assert!(map.cells.iter().flatten().all(|cell| cell.unwrap().1 == 2));
}

#[test]
fn a_distillation_shows_the_student_and_its_gain() {
    let result = |student: f64, control: f64| {
        let scores = |accuracy: f64| serde_json::json!({"test": {"accuracy": accuracy}, "epochs": 1});
        let mut result = scores(student);
        (result["control"], result["teacher"]) = (scores(control), scores(0.9));
        result
    };
    let setting = |value: &str| vec![("alpha".to_owned(), value.to_owned())];
    let results = vec![(setting("0.5"), result(0.75, 0.5)), (setting("0.05"), result(0.25, 0.5))];
    let table = Table::new(results);
    assert_eq!(table.usual_score(), Some("test.accuracy"));
    let map = table.heat_map("alpha", "alpha", "gain.test.accuracy");
    assert_eq!(map.columns.1, ["0.05", "0.5"]);
    assert_eq!(map.cells, [[Some((-0.25, 1)), Some((0.25, 1))]]);
}

fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sedge-train"));
    command.arg("sweep").args(arguments).env("OMP_NUM_THREADS", "1");
    command
}

fn text(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    format!("{:?}\n{}{}", output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn the_program_sweeps_gathers_and_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let (stub, out) = (stub(folder.path()), folder.path().join("out"));
    let (stub, dir) = (stub.to_str().unwrap(), out.to_str().unwrap());
    let grid = [
        "--grid",
        "alpha=1,9",
        "--grid",
        "temperature=2,4",
        "--program",
        stub,
        "--",
        "distill",
        "--epochs",
        "1",
    ];
    let first = program(&[&["--out", dir, "-n", "2"], &grid[..]].concat()).output().unwrap();
    assert!(
        first.status.code() == Some(1) && text(&first).contains("2 complete, 2 failed"),
        "{}",
        text(&first)
    );
    assert!(text(&first).contains("2 cells are not complete: alpha=9,temperature=2"), "{}", text(&first));
    fs::write(folder.path().join("mended"), "").unwrap();
    let second = program(&["--out", dir]).output().unwrap();
    assert!(second.status.success() && text(&second).contains("4 complete, 0 failed"), "{}", text(&second));
    let csv = fs::read_to_string(out.join("results.csv")).unwrap();
    assert_eq!(csv.lines().count(), 5, "{csv}");
    let svg = fs::read_to_string(out.join("heatmap.svg")).unwrap();
    assert!(svg.contains("36.0") && svg.contains("temperature"), "{svg}");
    let other =
        program(&["--out", dir, "--collect", "--score", "test.iou.cat", "--axes", "temperature,alpha"])
            .output()
            .unwrap();
    assert!(other.status.success(), "{}", text(&other));
    assert!(fs::read_to_string(out.join("heatmap.svg")).unwrap().contains("test.iou.cat in %"));
    let wrong = program(&["--out", dir, "--collect", "--score", "speed"]).output().unwrap();
    assert!(
        text(&wrong).contains("results have no score speed: there are seconds, test.accuracy"),
        "{}",
        text(&wrong)
    );
}

#[test]
fn a_signal_ends_the_children_and_a_call_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let (stub, out) = (stub(folder.path()), folder.path().join("out"));
    let arguments = [
        "--out",
        out.to_str().unwrap(),
        "--program",
        stub.to_str().unwrap(),
        "--grid",
        "alpha=1,8",
        "--",
        "fit",
    ];
    let mut sweep = program(&arguments).stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    let mut lines = BufReader::new(sweep.stderr.take().unwrap()).lines().map(Result::unwrap);
    assert!(lines.any(|line| line.contains("alpha=8: started")));
    let told = Command::new("kill").args(["-INT", &sweep.id().to_string()]).status().unwrap();
    assert!(told.success());
    let rest: Vec<String> = lines.collect();
    assert_eq!(sweep.wait().unwrap().code(), Some(130), "{rest:?}");
    assert_eq!(rest.last().unwrap(), "sweep: 1 complete, 0 failed, 0 elsewhere, 1 left");
    fs::write(folder.path().join("quick"), "").unwrap();
    let on = program(&arguments).output().unwrap();
    assert!(on.status.success() && text(&on).contains("alpha=1: complete already"), "{}", text(&on));
}

#[test]
fn a_script_for_a_cluster() {
    let folder = tempfile::tempdir().unwrap();
    let plan = plan(folder.path(), &["alpha=1,2,3,4"]);
    let out = plan.folder().to_str().unwrap();
    let jobs = |arguments: &[&str]| {
        let output =
            program(&[&["--out", out, "--jobs", "slurm", "--dry-run"], arguments].concat()).output().unwrap();
        assert!(output.status.success(), "{}", text(&output));
        fs::read_to_string(plan.folder().join("sweep.sbatch")).unwrap_or_default()
    };
    let script = jobs(&["-n", "2", "--threads", "3", "--sbatch=--partition=gpu", "--sbatch=--gres=gpu:1"]);
    let line = format!("sweep --out '{out}' --cell \"$SLURM_ARRAY_TASK_ID\" --threads 3\n");
    let expected = [
        "#!/bin/sh\n",
        "#SBATCH --array=0-3%2\n",
        "#SBATCH --cpus-per-task=3\n",
        "#SBATCH --partition=gpu\n#SBATCH --gres=gpu:1\n",
        &line,
    ];
    for part in expected {
        assert!(script.contains(part), "{part} is not in {script}");
    }
    // What a job of the cluster does.
    let job = program(&["--out", out, "--cell", "1", "--threads", "3"]).output().unwrap();
    assert!(job.status.success(), "{}", text(&job));
    assert!(jobs(&[]).contains("#SBATCH --array=0,2-3%1\n"));
}

#[test]
fn a_cluster_runs_the_cells() {
    let is_there = |name: &str| Command::new(name).arg("--version").output().is_ok();
    let is_root =
        fs::metadata("/proc/self").is_ok_and(|meta| std::os::unix::fs::MetadataExt::uid(&meta) == 0);
    if !is_root || !["sbatch", "slurmctld", "slurmd", "munged"].into_iter().all(is_there) {
        eprintln!("skipped a_cluster_runs_the_cells: it needs root and Debian's slurm-wlm");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (stub, out) = (stub(folder.path()), folder.path().join("out"));
    let dir = out.to_str().unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/slurm.sh");
    let both = r#"
        set -e
        ended() { while squeue --noheader | grep -q .; do sleep 0.2; done; }
        "$sweep" sweep --out "$out" --jobs slurm -n 2 --program "$stub" --grid alpha=1,9 --grid temperature=2..4 -- fit
        ended
        "$sweep" sweep --out "$out" --collect
        touch "$mended"
        "$sweep" sweep --out "$out" --jobs slurm -n 2
        ended
    "#;
    let output = Command::new(script)
        .args(["sh", "-c", both])
        .envs([("sweep", env!("CARGO_BIN_EXE_sedge-train")), ("out", dir)])
        .envs([("stub", stub), ("mended", folder.path().join("mended"))])
        .output()
        .unwrap();
    let logs = fs::read_dir(out.join("slurm")).unwrap().flatten();
    let logs: String = logs.map(|log| fs::read_to_string(log.path()).unwrap()).collect();
    let said = text(&output);
    for expected in ["sweep.sbatch: 6 cells", "results.csv: 3 runs", "sweep.sbatch: 3 cells"] {
        assert!(said.contains(expected), "{expected} is not in {said}{logs}");
    }
    assert!(output.status.success(), "{said}{logs}");
    let complete = program(&["--out", dir, "--collect"]).output().unwrap();
    assert!(text(&complete).contains("results.csv: 6 runs"), "{}{said}{logs}", text(&complete));
    assert!(fs::read_to_string(out.join("heatmap.svg")).unwrap().contains("36.0"));
}
