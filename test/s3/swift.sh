# Starts OpenStack Swift with its S3 interface in a folder, on loopback, and exports its address and keys. Its pids are in run/*.pid.
. test/s3/services.sh
D=$1
read -r PORT ACCOUNT CONTAINER OBJECT CACHE <<<"$(ports 5)"
mkdir -p "$D/srv/sdb1" "$D/run"
export SWIFT_CONF_FILE=$D/swift.conf
printf '[swift-hash]\nswift_hash_path_suffix = s\nswift_hash_path_prefix = p\n[storage-policy:0]\nname = p0\ndefault = yes\n' >"$D/swift.conf"
for each in "account:$ACCOUNT" "container:$CONTAINER" "object:$OBJECT"; do
  name=${each%%:*}
  {
    swift-ring-builder "$D/$name.builder" create 4 1 0
    swift-ring-builder "$D/$name.builder" add "r1z1-127.0.0.1:${each##*:}/sdb1" 1
    swift-ring-builder "$D/$name.builder" rebalance
  } >"$D/ring.log"
  cat >"$D/$name-server.conf" <<X
[DEFAULT]
bind_ip = 127.0.0.1
bind_port = ${each##*:}
user = root
swift_dir = $D
devices = $D/srv
mount_check = false
workers = 0
fallocate_reserve = 0
[pipeline:main]
pipeline = $name-server
[app:$name-server]
use = egg:swift#$name
X
done
cat >"$D/proxy-server.conf" <<X
[DEFAULT]
bind_ip = 127.0.0.1
bind_port = $PORT
user = root
swift_dir = $D
workers = 0
[pipeline:main]
pipeline = catch_errors gatekeeper healthcheck cache listing_formats bulk s3api tempauth slo dlo proxy-server
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
[filter:s3api]
use = egg:swift#s3api
s3_acl = false
location = us-east-1
[filter:tempauth]
use = egg:swift#tempauth
user_test_tester = testing .admin
[filter:cache]
use = egg:swift#memcache
memcache_servers = 127.0.0.1:$CACHE
X
for name in catch_errors gatekeeper healthcheck listing_formats bulk slo dlo; do
  printf '[filter:%s]\nuse = egg:swift#%s\n' $name $name >>"$D/proxy-server.conf"
done
memcached -u root -l 127.0.0.1 -p "$CACHE" -d -P "$D/run/memcached.pid"
for name in account container object proxy; do
  "swift-$name-server" "$D/$name-server.conf" >"$D/$name.log" 2>&1 &
  echo $! >"$D/run/$name.pid"
done
for _ in $(seq 300); do curl -sf "http://127.0.0.1:$PORT/healthcheck" >/dev/null && break || sleep 0.2; done
export PICTOR_STORE="s3://pictures/swift?endpoint=http://127.0.0.1:$PORT&region=us-east-1" AWS_ACCESS_KEY_ID=test:tester AWS_SECRET_ACCESS_KEY=testing
