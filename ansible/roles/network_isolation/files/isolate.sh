# Cuts the host off by $rules, now and after every restart, for which systemd has $unit.
set -eu
PATH=$PATH:/usr/sbin:/sbin
if ! command -v nft >/dev/null; then
    echo "The package nftables is missing on this host, so nothing was cut off." >&2
    exit 1
fi
mkdir -p /etc/holdfast
printf '%s\n' "$rules" >/etc/holdfast/isolation.nft.new
nft -c -f /etc/holdfast/isolation.nft.new
mv /etc/holdfast/isolation.nft.new /etc/holdfast/isolation.nft
if [ -d /run/systemd/system ]; then
    printf '%s\n' "$unit" >/etc/systemd/system/holdfast-isolation.service
    systemctl daemon-reload
    systemctl -q enable holdfast-isolation.service
fi
nft -f /etc/holdfast/isolation.nft
