# The commands of the project; the work is in scripts/.

.DEFAULT_GOAL := help
.PHONY: help test soak device deb systemd trainer results models bench peers instructions check fmt lint clean

help: ## Lists these commands
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

test: ## Runs every test, here and on the ARM program under qemu; installs what is missing
	@scripts/test.sh

soak: ## Cuts the power of the emulated board 100 times while it writes; goes on where it was interrupted
	@RIG_CUTS=100 RIG_CUTS_FILE=target/rig/cuts.jsonl scripts/test.sh --test rig power -- --nocapture
	@rm -f target/rig/cuts.jsonl

device: ## Builds the program for 64-bit ARM boards: target/device/sedge
	@scripts/device.sh

deb: ## Makes Debian packages for ARM boards and PCs: target/deb/
	@scripts/deb.sh

trainer: ## Builds the trainer, target/release/sedge-train; installs libtorch (4.7 GB) where it is missing
	@scripts/trainer.sh

systemd: ## Installs the package on an emulated PC with systemd and checks what the service promises there
	@scripts/systemd.sh

results: ## Runs the trainer's experiments; what is done is kept, what was interrupted goes on
	@scripts/results.sh

models: ## Makes the int8 models that ship from their float models and calibration/
	@cargo run --release --quiet -- convert models/deeplabv3_mnv2_dm05_voc21_257.onnx \
	    -o models/deeplabv3_mnv2_dm05_voc21_257.int8.onnx --calibration calibration/voc
	@cargo run --release --quiet -- convert models/cat_unet_mnv2_dm05_256.onnx \
	    -o models/cat_unet_mnv2_dm05_256.int8.onnx --calibration calibration/feral_cat

bench: ## Runs the criterion benchmarks
	@cargo bench

peers: ## Times the same networks in other runtimes and in Sedge
	@cargo build --release --quiet && benches/peers/run.sh

instructions: ## Counts the ARM instructions of an inference under qemu
	@cargo build --release --quiet && scripts/device.sh && benches/instructions/run.sh

check: ## Checks format, lints, documentation, licences and the device profile
	@scripts/check.sh

fmt: ## Formats the code
	@cargo fmt

lint: ## Runs clippy on everything of the default profile
	@cargo clippy --release --all-targets -- -D warnings

clean: ## Removes all that was built and the Python environment
	@rm -rf target .venv
