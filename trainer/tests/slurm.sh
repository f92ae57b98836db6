#!/bin/bash
# Starts a Slurm cluster of this one machine in a temporary folder, runs a command in it, and ends it again.
# As root, with slurmctld, slurmd and munged installed (Debian: slurm-wlm). Usage: slurm.sh COMMAND ARGUMENT...
set -euo pipefail

folder=$(mktemp -d)
host=$(hostname -s)
processes=()
end() {
    status=$?
    for process in "${processes[@]}"; do kill "$process" 2>/dev/null || true; done
    wait || true
    [ $status -eq 0 ] || tail -n 20 "$folder"/*.log >&2 || true
    rm -rf "$folder"
}
trap end EXIT

# Ports that no other cluster of this machine uses.
port=$((20000 + $$ % 10000 * 2))
export SLURM_CONF=$folder/slurm.conf
mkdir -p "$folder/state" "$folder/spool"
chmod 755 "$folder"
cat >"$SLURM_CONF" <<CONF
ClusterName=sedge
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=$port
SlurmdPort=$((port + 1))
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket=$folder/munge.socket
CredType=cred/munge
MpiDefault=none
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerParameters=sched_interval=1,sched_min_interval=0,batch_sched_delay=0,bf_interval=1
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
ReturnToService=2
NodeName=$host NodeAddr=127.0.0.1 CPUs=$(nproc) State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
CONF

(umask 077 && head -c 1024 /dev/urandom >"$folder/munge.key")
munged --foreground --force --socket="$folder/munge.socket" --key-file="$folder/munge.key" \
    --pid-file="$folder/munge.pid" --log-file="$folder/munge.log" --seed-file="$folder/munge.seed" \
    >"$folder/munged.out.log" 2>&1 &
processes+=($!)
until [ -S "$folder/munge.socket" ]; do sleep 0.1; done
slurmctld -D >"$folder/slurmctld.out.log" 2>&1 &
processes+=($!)
slurmd -D -N "$host" >"$folder/slurmd.out.log" 2>&1 &
processes+=($!)
for _ in $(seq 300); do
    sinfo --noheader --states=idle --Format=nodehost 2>/dev/null | grep -q . && break
    sleep 0.1
done
"$@"
