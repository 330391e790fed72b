#!/bin/bash
# Makes the inside kit at $1 from what is installed here: tools that run in any root, musl or empty ones included.
# Static programs are copied. A dynamic one is copied with its libraries and its loader, and a launcher in bin/ starts it
# through that loader: nothing of the root it runs in is used. The kit is always mounted at /.dfdebug.
set -euo pipefail
kit=$1
mkdir -p "$kit/bin" "$kit/lib" "$kit/libexec" "$kit/share"

cp /bin/busybox "$kit/bin/busybox"
for applet in $(/bin/busybox --list); do [ "$applet" = busybox ] || ln -s busybox "$kit/bin/$applet"; done
cp /bin/bash-static "$kit/bin/bash.static"
ln -sf bash.static "$kit/bin/bash"

loader=$(ldd /usr/bin/strace | sed -n 's/^\s*\(\/lib[^ ]*ld-linux[^ ]*\) .*/\1/p')
cp -L "$loader" "$kit/lib/ld.so"

cp -r /usr/share/terminfo "$kit/share/terminfo" 2>/dev/null || true
mkdir -p "$kit/share/terminfo"
cp -r /lib/terminfo/. "$kit/share/terminfo/"
cp -L /usr/lib/file/magic.mgc "$kit/share/magic.mgc" 2>/dev/null || cp -L /usr/share/misc/magic.mgc "$kit/share/magic.mgc"
cp /etc/ssl/certs/ca-certificates.crt "$kit/share/ca-certificates.crt"
cp -r /usr/share/vim/vim* "$kit/share/vim" 2>/dev/null || true

libraries() {
  ldd "$1" 2>/dev/null | sed -n 's/.*=> \(\/[^ ]*\) .*/\1/p'
}

add() {
  local path name
  path=$(command -v "$1") || { echo "make-kit: $1 is not installed" >&2; exit 1; }
  path=$(readlink -f "$path")
  name=${2:-$1}
  rm -f "$kit/bin/$name"
  cp -L "$path" "$kit/libexec/$name"
  for library in $(libraries "$path"); do
    [ -e "$kit/lib/$(basename "$library")" ] || cp -L "$library" "$kit/lib/"
  done
  cat > "$kit/bin/$name" <<LAUNCHER
#!/.dfdebug/bin/sh
export TERMINFO=/.dfdebug/share/terminfo MAGIC=/.dfdebug/share/magic.mgc VIMRUNTIME=/.dfdebug/share/vim
export SSL_CERT_FILE=\${SSL_CERT_FILE-/.dfdebug/share/ca-certificates.crt} CURL_CA_BUNDLE=\${CURL_CA_BUNDLE-/.dfdebug/share/ca-certificates.crt}
exec /.dfdebug/lib/ld.so --library-path /.dfdebug/lib --argv0 $name /.dfdebug/libexec/$name "\$@"
LAUNCHER
  chmod 755 "$kit/bin/$name"
}

for tool in strace gdb tcpdump curl dig ss lsof less jq file tree socat ip nc ltrace gdbserver; do
  if command -v "$tool" > /dev/null; then add "$tool"; fi
done
add vim.basic vim
for tool in ps top pgrep pidof free vmstat; do if command -v "$tool" > /dev/null; then add "$tool"; fi; done

# gdb reads its own data; name service libraries are loaded by name at run time.
cp -r /usr/share/gdb "$kit/share/gdb" 2>/dev/null || true
for library in /lib/*-linux-gnu/libnss_{dns,files}.so.2 /lib/*-linux-gnu/libresolv.so.2; do
  if [ -e "$library" ]; then cp -L "$library" "$kit/lib/"; fi
done
strip --strip-unneeded "$kit"/libexec/* 2>/dev/null || true
find "$kit" -exec touch -h -d @0 {} +
