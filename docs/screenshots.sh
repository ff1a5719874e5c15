#!/usr/bin/env bash
# Makes the pictures of the dashboard in docs/images from a real window on a virtual display.
#
#   cargo build --release && docs/screenshots.sh [target/release/systole]
#
# Needs Xvfb, xdotool, ImageMagick and a software OpenGL driver (Debian: xvfb xdotool imagemagick libgl1-mesa-dri libxkbcommon-x11-0).
# The pictures of ResNet-50 need $SYSTOLE_MODELS/table1/resnet50.onnx (default ../shared/models) and are left out without it.
set -euo pipefail
cd "$(dirname "$0")/.."
binary=$(realpath "${1:-target/release/systole}")
models=$(realpath -m "${SYSTOLE_MODELS:-../shared/models}")
images=docs/images
mkdir -p "$images"

# A home of its own: no stored layout, and nothing of the user's is changed.
scratch=$(mktemp -d)
export HOME=$scratch XDG_DATA_HOME=$scratch XDG_CONFIG_HOME=$scratch LIBGL_ALWAYS_SOFTWARE=1
unset WAYLAND_DISPLAY
app=
Xvfb -displayfd 3 -screen 0 1600x1000x24 3>"$scratch/display" >/dev/null 2>&1 &
server=$!
finish() {
    [ -z "$app" ] || kill "$app" 2>/dev/null || true
    kill "$server" 2>/dev/null || true
    rm -rf "$scratch"
}
trap finish EXIT
until [ -s "$scratch/display" ]; do sleep 0.1; done
DISPLAY=:$(cat "$scratch/display")
export DISPLAY

# Waits until two pictures half a second apart are equal.
settle() {
    local before='' now
    for _ in $(seq 240); do
        now=$(import -window root rgb:- | md5sum)
        [ "$now" = "$before" ] && return
        before=$now
        sleep 0.5
    done
    echo "the window does not come to rest" >&2
    exit 1
}

# open_window ARGUMENTS...: the dashboard over the whole display.
open_window() {
    "$binary" gui "$@" >"$scratch/log" 2>&1 &
    app=$!
    local window=''
    for _ in $(seq 600); do
        window=$(xdotool search --onlyvisible --name '^Systole' 2>/dev/null | head -n 1) && [ -n "$window" ] && break
        sleep 0.1
    done
    [ -n "$window" ] || { cat "$scratch/log" >&2; exit 1; }
    xdotool windowmove "$window" 0 0 windowsize "$window" 1600 1000
    sleep 0.5
    xdotool windowfocus "$window" mousemove 1599 999
    settle
}

close_window() {
    kill "$app"
    wait "$app" 2>/dev/null || true
    app=
    rm -rf "$scratch"/systole "$scratch"/.local
}

# choose TEXT...: entries of the command palette, one after the other.
choose() {
    local entry
    for entry in "$@"; do
        xdotool key ctrl+p
        settle
        xdotool type --delay 30 "$entry"
        settle
        xdotool key Return
        settle
    done
}

# click X Y: the left button there, then the pointer out of the way.
click() {
    xdotool mousemove "$1" "$2"
    sleep 0.3
    xdotool click 1
    sleep 0.3
    xdotool mousemove 1599 999
    settle
}

take() {
    settle
    import -window root -define png:compression-level=9 "$images/$1.png"
    echo "$images/$1.png"
}

# The digits network in the middle of its first convolution.
open_window
choose 'step layer' 'step tile' 'step tile' 'step tile' 'step 10' 'step 10' 'step 10'
take array

# Why a unit stands still: the first stall after here, found in the lanes.
click 356 723
xdotool type --delay 30 'stalled'
settle
click 476 723
take stall

# The same in daylight.
choose 'undo'
choose 'next theme'
take light
close_window

# A lesson, in the middle of its third page.
open_window
choose 'lesson 1'
for _ in 1 2; do xdotool key ctrl+Return; settle; done
xdotool type --delay 30 '16'
settle
xdotool key Return
settle
for _ in 1 2; do xdotool key ctrl+Return; settle; done
take lesson
close_window

# A mistake in the text of a program, while it is typed.
cp programs/asm/matmul.sasm "$scratch/product.sasm"
pushd "$scratch" >/dev/null
open_window product.sasm --machine tiny4x4
popd >/dev/null
choose 'step tile' 'step 10' 'show panel: source'
click 1345 194
xdotool key End Return
xdotool type --delay 30 '    mx.mn   d4, d1, 0, 4, 0, over, swap'
take editor
close_window

if [ -f "$models/table1/resnet50.onnx" ]; then
    open_window "$models/table1/resnet50.onnx" --machine edge16x16
    choose 'run to end'
    choose 'fit whole run'
    take timeline
    choose 'show panel: roofline'
    take roofline
    choose 'show panel: energy'
    take energy
    close_window
else
    echo "skipped the pictures of ResNet-50: $models/table1/resnet50.onnx is not there" >&2
fi
