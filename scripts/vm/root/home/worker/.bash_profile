# The desktop on the first terminal, where there is one; else what can be typed.
if [ "$(tty)" = /dev/tty1 ] && command -v startx >/dev/null; then
    exec startx >"$HOME/.desktop.log" 2>&1
fi
echo "A Poolhand worker. launch-worker and stop-worker are as on the desktop; poolhand --help has the rest."
