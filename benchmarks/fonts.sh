#!/bin/sh
# Installs a small, varied set of Arabic, Latin and Odia fonts where apt and the right to use it are at hand.
set -u
wanted="fonts-dejavu-core fonts-noto-core fonts-hosny-amiri fonts-kacst fonts-arabeyes fonts-farsiweb fonts-paktype fonts-freefont-ttf fonts-sil-scheherazade fonts-ukij-uyghur fonts-lohit-orya fonts-orya-extra fonts-samyak-orya"
missing=""
command -v dpkg-query >/dev/null 2>&1 || { echo "fonts: no dpkg here; the demo takes the fonts that are installed"; exit 0; }
for package in $wanted; do
  dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q "install ok installed" || missing="$missing $package"
done
[ -z "$missing" ] && { echo "fonts: all of the small set are installed"; exit 0; }
[ "$(id -u)" = 0 ] || { echo "fonts: not root, so$missing are not installed; the demo takes what is there"; exit 0; }
echo "fonts: installing$missing"
{ apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq $missing; } >/dev/null 2>&1 || echo "fonts: apt could not install them; the demo takes what is there"
exit 0
