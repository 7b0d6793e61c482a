# Tells which packages would be updated, and which were since a month. Changes nothing.
if command -v apt-get >/dev/null; then
    echo "manager apt"
    apt-get -s -q -o Debug::NoLocking=true dist-upgrade | grep '^Inst '
    since=$(date -d '30 days ago' +%Y-%m-%d)
    if [ -r /var/log/dpkg.log ]; then
        awk -v since="$since" '$3 == "upgrade" && $1 >= since' /var/log/dpkg.log
    fi
else
    echo "manager other"
fi
