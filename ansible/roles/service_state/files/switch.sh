# Stops or starts $service, as $wanted says (stopped or started); one that stands so is left alone.
set -eu
PATH=$PATH:/usr/sbin:/sbin
runs() {
    if [ -d /run/systemd/system ]; then
        systemctl -q is-active -- "$service"
    else
        service "$service" status >/dev/null 2>&1
    fi
}
if runs; then is=started; else is=stopped; fi
[ "$is" != "$wanted" ] || exit 0
if [ "$wanted" = started ]; then verb=start; else verb=stop; fi
if [ -d /run/systemd/system ]; then
    systemctl "$verb" -- "$service" >&2
else
    service "$service" "$verb" >&2
fi
echo changed
