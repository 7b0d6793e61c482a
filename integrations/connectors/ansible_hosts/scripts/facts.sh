# Tells what the host is and which services it has, a line each. Changes nothing.
echo "hostname $(uname -n)"
echo "fqdn $(hostname -f 2>/dev/null)"
if [ -r /etc/os-release ]; then
    # In a shell of its own, so that its names stay there.
    (
        . /etc/os-release
        echo "system ${NAME%% GNU/Linux} ${VERSION_ID-}"
    )
fi
echo "kernel $(uname -r)"
ip -o addr show 2>/dev/null | while read -r _ _ family address _; do
    case $family in inet*) echo "address ${address%%/*}" ;; esac
done
device=$(ip route show default 2>/dev/null | sed -n 's/.* dev \([^ ]*\).*/\1/p' | head -n 1)
if [ -n "$device" ] && [ -r "/sys/class/net/$device/address" ]; then
    echo "mac_address $(cat "/sys/class/net/$device/address")"
fi
if [ -d /run/systemd/system ]; then
    systemctl list-units --type=service --all --plain --no-legend --no-pager |
        while read -r unit loaded _ state _; do
            if [ "$loaded" = loaded ]; then echo "unit $unit $state"; fi
        done
elif command -v service >/dev/null; then
    service --status-all 2>/dev/null | while read -r _ sign _ name; do
        if [ "$sign" = + ]; then echo "unit $name running"; else echo "unit $name stopped"; fi
    done
fi
