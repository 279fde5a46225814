# Finds programs of Debian's packages: those of the machine, or else unpacked below $scratch, so that nothing is installed or started.
# Usage: source test/deploy/debian.sh; PROGRAM=$(program_of PACKAGE PROGRAM). $scratch is removed when the script ends.
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

program_of() {
  command -v "$2" && return
  if [ ! -d "$scratch/debian/$1" ]; then
    mkdir -p "$scratch/debian/$1"
    (cd "$scratch/debian/$1" && (apt-get download -qq "$1" || { apt-get update -qq && apt-get download -qq "$1"; }) && dpkg-deb -x ./*.deb .) >&2
  fi
  find "$scratch/debian/$1" -path "*bin/$2" -type f | head -1
}
