# SPDX-License-Identifier: MIT
# The DMM program from outside: a run that is killed or interrupted and resumed gives the
# losses of the uninterrupted one, bit for bit; bad input ends with a sentence and a status.
set -eu

dmm=$top_builddir/examples/dmm/dmm${EXEEXT:-}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
small='--z-dim 6 --emission-dim 8 --transition-dim 8 --rnn-dim 10 --anneal-epochs 4 --quiet'
failed=0

# The log without the column of seconds.
losses() { cut -d, -f1,3- "$1"; }

check() # WHAT WANTED GOT
{
    if [ "$2" = "$3" ]; then
        echo "ok: $1"
    else
        printf 'FAIL: %s\n  wanted: %s\n  got:    %s\n' "$1" "$2" "$3"
        failed=1
    fi
}

# ---- Resuming ------------------------------------------------------------------------

epochs=150
"$dmm" $small --epochs $epochs --eval-every 7 --log whole.csv > /dev/null

# Interrupted (SIGINT) once its first checkpoint is there, then left to finish.
"$dmm" $small --epochs $epochs --eval-every 7 --log cut.csv --checkpoint cut.safetensors \
    > /dev/null &
pid=$!
while [ ! -f cut.safetensors ] && kill -0 $pid; do sleep 0.01; done
kill -INT $pid
status=0
wait $pid || status=$?
check 'an interrupted run exits with 130' 130 $status
"$dmm" $small --epochs $epochs --eval-every 7 --log cut.csv --checkpoint cut.safetensors \
    --resume > /dev/null
check 'an interrupted run, resumed, has the losses of the whole one' \
    "$(losses whole.csv)" "$(losses cut.csv)"

# Killed (SIGKILL) at any moment: the checkpoint is then the last whole one.
"$dmm" $small --epochs 7 --eval-every 7 --log hard.csv --checkpoint hard.safetensors > /dev/null
for pause in 0.05 0.2 0.35; do
    "$dmm" $small --epochs $epochs --eval-every 7 --log hard.csv \
        --checkpoint hard.safetensors --resume > /dev/null &
    pid=$!
    sleep $pause
    kill -KILL $pid 2> /dev/null || true
    wait $pid 2> /dev/null || true
done
"$dmm" $small --epochs $epochs --eval-every 7 --log hard.csv --checkpoint hard.safetensors \
    --resume > /dev/null
check 'a killed run, resumed, has the losses of the whole one' \
    "$(losses whole.csv)" "$(losses hard.csv)"

# ---- The mean of the weights ---------------------------------------------------------

"$dmm" $small --epochs 12 --eval-every 3 --log plain.csv > /dev/null
"$dmm" $small --epochs 12 --eval-every 3 --average-from 12 --log one.csv > /dev/null
check 'the mean of one epoch is its weights' "$(losses plain.csv)" "$(losses one.csv)"
"$dmm" $small --epochs 12 --eval-every 3 --average-from 5 --log mean.csv > output
check 'a mean changes nothing in training' "$(cut -d, -f1,3,4,7 plain.csv)" \
    "$(cut -d, -f1,3,4,7 mean.csv)"
losses plain.csv > plain
losses mean.csv > mean
check 'a mean has bounds of its own' '6 9 12 ' \
    "$(diff plain mean | sed -n 's/^> \([0-9]*\),.*/\1/p' | tr '\n' ' ')"
check 'and is announced' 1 "$(grep -c 'mean of the weights after the last 8 epochs' output)"
"$dmm" $small --epochs 9 --eval-every 3 --average-from 5 --log part.csv \
    --checkpoint part.safetensors > /dev/null
"$dmm" $small --epochs 12 --eval-every 3 --average-from 5 --log part.csv \
    --checkpoint part.safetensors --resume > /dev/null
check 'a mean resumes bit for bit' "$(losses mean.csv)" "$(losses part.csv)"

# ---- Keys and units at random --------------------------------------------------------

other_losses() # WHAT OPTIONS...: other than plain, and resumed bit for bit
{
    what=$1
    shift
    "$dmm" $small --epochs 9 --eval-every 3 --log whole.csv "$@" > /dev/null
    check "$what, other losses" 9 \
        "$(losses whole.csv | diff plain - | grep -c '^> [0-9]')"
    "$dmm" $small --epochs 6 --eval-every 3 --log part.csv \
        --checkpoint part.safetensors "$@" > /dev/null
    "$dmm" $small --epochs 9 --eval-every 3 --log part.csv \
        --checkpoint part.safetensors --resume "$@" > /dev/null
    check "$what: resumed bit for bit" "$(losses whole.csv)" "$(losses part.csv)"
}

other_losses 'other keys' --transpose 5
other_losses 'units left out' --dropout 0.3

# ---- Threads -------------------------------------------------------------------------

other_losses 'two shards' --shards 2
"$dmm" $small --epochs 9 --eval-every 3 --log two.csv --threads 2 > /dev/null
check 'two threads have a shard each' "$(losses whole.csv)" "$(losses two.csv)"

# ---- Pictures ------------------------------------------------------------------------

status=0
"$dmm" $small --epochs 4 --eval-every 2 --pictures drawn > output 2>&1 || status=$?
case $(tail -n 1 output) in
*'built without cairo'*) ;;
*)
    check 'pictures: status' 0 $status
    check 'pictures: files' 'bound.png ledger.png rolls.png steps.png ' \
        "$(ls drawn | tr '\n' ' ')"
    ;;
esac

# ---- Bad input -----------------------------------------------------------------------

refuse() # WHAT STATUS MESSAGE ARGUMENTS...
{
    what=$1 wanted=$2 message=$3
    shift 3
    status=0
    "$dmm" $small "$@" > output 2>&1 || status=$?
    check "$what: status" "$wanted" "$status"
    check "$what: message" "dmm: $message" "$(tail -n 1 output)"
}

refuse 'an unknown option' 2 \
    'option --epoch-count is unknown, or the beginning of several; see --help' --epoch-count 3
refuse 'a negative number' 2 \
    'option --epochs: "-1" is not a whole number in 0..1000000' --epochs -1
refuse 'a rate that is no number' 2 \
    'option --lr: "nan" is not a number above 0 and at most 1' --lr nan
refuse 'a missing file' 1 \
    'nowhere.json: cannot be opened: No such file or directory; give the path of a chorales JSON file' \
    --data nowhere.json
printf '{"train": [[[60]]], "valid": [[[60]]], "test": [[[200]]]}' > note.json
refuse 'a note off the piano' 1 \
    'note.json: split test, sequence 0, step 0 (counted from 0): note 200 is outside 21..108; give MIDI note numbers of the 88 piano keys' \
    --data note.json
printf 'not a checkpoint' > bad.safetensors
refuse 'a checkpoint that is none' 1 \
    'bad.safetensors: the header says 7521891404167278446 bytes but the file has 8 after the length; the file is truncated or not safetensors' \
    --epochs 1 --checkpoint bad.safetensors --resume
refuse 'a checkpoint of other dimensions' 1 \
    'cut.safetensors: the checkpoint was trained with z-dim 6, not 7; resume with the same' \
    --epochs 60 --z-dim 7 --checkpoint cut.safetensors --resume
refuse 'a checkpoint of other shards' 1 \
    'part.safetensors: the checkpoint was trained with shards 2, not 1; resume with the same' \
    --epochs 60 --checkpoint part.safetensors --resume
refuse 'a full disk' 1 \
    '/dev/full: cannot be written: No space left on device; free some space or give another path' \
    --epochs 1 --log /dev/full

# ---- Flows in the guide --------------------------------------------------------------

"$dmm" $small --num-iafs 2 --iaf-dim 9 --epochs 3 --eval-every 1 --log flow.csv \
    --checkpoint flow.safetensors > /dev/null
check 'flows train' 4 "$(wc -l < flow.csv)"
"$dmm" $small --num-iafs 2 --iaf-dim 9 --epochs 2 --eval-every 1 --log half.csv \
    --checkpoint half.safetensors > /dev/null
"$dmm" $small --num-iafs 2 --iaf-dim 9 --epochs 3 --eval-every 1 --log half.csv \
    --checkpoint half.safetensors --resume > /dev/null
check 'flows resume bit for bit' "$(losses flow.csv)" "$(losses half.csv)"
exit $failed
