# Tells how the host stands, a line each. Changes nothing. $service names one that is asked for.
PATH=$PATH:/usr/sbin:/sbin
export LC_ALL=C

echo "boot_id $(cat /proc/sys/kernel/random/boot_id)"
echo "booted_at $(sed -n 's/^btime //p' /proc/stat)"
if [ -e /var/run/reboot-required ]; then echo "needs_restart yes"; else echo "needs_restart no"; fi
if command -v nft >/dev/null; then
    echo "can_isolate yes"
    if nft list table inet holdfast_isolation >/dev/null 2>&1; then
        echo "isolated yes"
    else
        echo "isolated no"
    fi
    nft list tables 2>/dev/null | sed 's/^table /firewall /'
else
    echo "can_isolate no"
    echo "isolated no"
fi
if [ -e /run/lock/holdfast-updates ] && ! flock -n /run/lock/holdfast-updates true; then
    echo "updating yes"
else
    echo "updating no"
fi
if [ -e /var/lib/holdfast/updates.status ]; then
    echo "last_update $(cat /var/lib/holdfast/updates.status)"
fi
if [ -n "$service" ]; then
    if [ -d /run/systemd/system ]; then
        if systemctl show -p LoadState --value -- "$service" | grep -q '^loaded$'; then
            if systemctl -q is-active -- "$service"; then echo "service running"; else echo "service stopped"; fi
        else
            echo "service missing"
        fi
    elif [ -x "/etc/init.d/$service" ]; then
        if service "$service" status >/dev/null 2>&1; then echo "service running"; else echo "service stopped"; fi
    else
        echo "service missing"
    fi
fi
