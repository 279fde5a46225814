# Starts Ceph's S3 gateway in a folder, on loopback and in memory, and exports its address and keys. Its pids are in run/*.pid.
. test/s3/services.sh
D=$1
read -r PORT MON <<<"$(ports 2)"
FSID=$(cat /proc/sys/kernel/random/uuid)
OSD=$(cat /proc/sys/kernel/random/uuid)
mkdir -p "$D"/{mon,osd,run,log,rgw}
cat >"$D/ceph.conf" <<X
[global]
fsid = $FSID
mon host = v1:127.0.0.1:$MON
ms bind msgr2 = false
public addr = 127.0.0.1
cluster addr = 127.0.0.1
auth cluster required = none
auth service required = none
auth client required = none
osd pool default size = 1
osd pool default min size = 1
mon allow pool size one = true
osd pool default pg num = 4
osd pool default pgp num = 4
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
osd objectstore = memstore
memstore device bytes = 4294967296
run dir = $D/run
admin socket = $D/run/\$name.\$pid.asok
pid file = $D/run/\$name.pid
log file = $D/log/\$name.log
mon data avail crit = 1
mon data avail warn = 2
osd class load list = *
osd class default list = *
[mon.a]
mon data = $D/mon
mon addr = 127.0.0.1:$MON
[osd.0]
osd data = $D/osd
[client.rgw]
rgw data = $D/rgw
rgw frontends = beast endpoint=127.0.0.1:$PORT
rgw dns name = localhost
X
conf=(-c "$D/ceph.conf")
{
  monmaptool --create --clobber --fsid "$FSID" --addv a "[v1:127.0.0.1:$MON]" "$D/monmap"
  CEPH_ARGS=--no-mon-config ceph-mon "${conf[@]}" --mkfs -i a --monmap "$D/monmap"
  CEPH_ARGS=--no-mon-config ceph-mon "${conf[@]}" -i a
  timeout 30 ceph "${conf[@]}" osd new "$OSD" 0
  ceph-osd "${conf[@]}" -i 0 --mkfs --osd-uuid "$OSD"
  # It ends with "wrong fsid" where its first command is out before the monitors' map is here, as on a busy machine.
  for _ in 1 2 3; do ceph-osd "${conf[@]}" -i 0 && break || sleep 1; done
  radosgw "${conf[@]}" -n client.rgw
  for _ in $(seq 300); do curl -s "http://127.0.0.1:$PORT/" >/dev/null && break || sleep 0.2; done
  timeout 60 radosgw-admin "${conf[@]}" user create --uid=t --display-name=t --access-key=AKIDTEST --secret-key=SKTEST
} >"$D/start.log" 2>&1 || { cat "$D/start.log" >&2; exit 1; }
export PICTOR_STORE="s3://pictures/ceph?endpoint=http://127.0.0.1:$PORT&region=us-east-1" AWS_ACCESS_KEY_ID=AKIDTEST AWS_SECRET_ACCESS_KEY=SKTEST
