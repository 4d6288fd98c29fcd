#!/usr/bin/env bash
# Dandelion in a Kubernetes cluster on this machine, from nothing to a prediction. docs/install.md says what it needs.
# Run it again after a change: the images and the release follow.
#
#   docker/kind.sh                       in a cluster of kind, which it creates
#   docker/kind.sh --cluster minikube    in a cluster of minikube, a profile of its own, which it starts
#   docker/kind.sh --cluster current     in the cluster that kubectl speaks to; LOAD must be set
#   docker/kind.sh --namespace photos    in this namespace, instead of `default`
#   docker/kind.sh --without-monitoring  without Prometheus and Grafana, which come from the internet
#   docker/kind.sh -- --set ui.enabled=false        words after -- go to helm
#
# BUILD and LOAD may name commands that build an image, `BUILD target name`, and that load it into the cluster or push it,
# `LOAD name`. What BUILD prints last is the id of the image; if it prints nothing, the tag says no more than the version.
set -euo pipefail

release=dandelion
cluster=kind
namespace=default
monitoring=true
timeout=${TIMEOUT:-15m}
helm=${HELM:-helm}
kubectl=${KUBECTL:-kubectl}

usage() { sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//p;}' "$0"; }
say() { printf '\n== %s\n' "$*"; }
fail() { printf '%s\n' "$*" >&2 && exit 1; }
need() { command -v "$1" > /dev/null || fail "$1 is missing: install it from $2, then run this script again."; }

while (($#)); do
  case $1 in
    --cluster) cluster=${2:?name a cluster: kind, minikube or current} && shift ;;
    --namespace) namespace=${2:?name a namespace} && shift ;;
    --without-monitoring) monitoring=false ;;
    --help | -h) usage && exit 0 ;;
    --) shift && break ;;
    *) usage && exit 2 ;;
  esac
  shift
done
given=("$@")

root=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
forward=
trap '[ -z "$forward" ] || kill "$forward" 2> /dev/null; rm -rf "$work"' EXIT

need "$helm" https://helm.sh/docs/intro/install
need "$kubectl" https://kubernetes.io/docs/tasks/tools
need curl https://curl.se
[ -n "${BUILD:-}" ] || need docker https://docs.docker.com/get-docker

before=$("$kubectl" config current-context 2> /dev/null || true)
case $cluster in
  kind)
    need kind https://kind.sigs.k8s.io
    context=kind-$release
    if ! kind get clusters 2> /dev/null | grep -qx "$release"; then
      kind create cluster --name "$release"
      # kind takes kubectl over; other terminals may be at work with another cluster.
      [ -z "$before" ] || "$kubectl" config use-context "$before" > /dev/null
    fi
    delete="kind delete cluster --name $release"
    ;;
  minikube)
    need minikube https://minikube.sigs.k8s.io
    context=$release
    minikube status --profile "$release" > /dev/null 2>&1 ||
      minikube start --profile "$release" --keep-context --cpus 4 --memory 8g
    delete="minikube delete --profile $release"
    ;;
  current)
    context=$before
    [ -n "$context" ] || fail "kubectl speaks to no cluster: choose one by kubectl config use-context NAME."
    [ -n "${LOAD:-}" ] || fail "With --cluster current, LOAD must name a command that loads an image into your cluster, or pushes it to its registry."
    delete="helm uninstall $release --namespace $namespace --kube-context $context"
    ;;
  *) fail "--cluster is $cluster: name kind, minikube or current." ;;
esac

in_helm() { "$helm" "$@" --namespace "$namespace" --kube-context "$context"; }
in_kubectl() { "$kubectl" --context "$context" --namespace "$namespace" "$@"; }

# Builds a target by a name, and prints the id of the image.
build() {
  if [ -n "${BUILD:-}" ]; then
    command "$BUILD" "$@" | tail -n 1
  else
    # The flows' torch without 5 GB of CUDA.
    docker build --target "$1" --tag "$2" --iidfile "$work/id" \
      --build-arg TORCH_INDEX="${TORCH_INDEX:-https://download.pytorch.org/whl/cpu}" "$root" >&2 && cat "$work/id"
  fi
}

load() {
  if [ -n "${LOAD:-}" ]; then
    command "$LOAD" "$1"
  elif [ "$cluster" = kind ]; then
    kind load docker-image --name "$release" "$1"
  else
    minikube image load --profile "$release" "$1"
  fi
}

# Our images in the chart, however the values name them: target and name, a line each.
images() {
  in_helm template "$release" "$chart" "${values[@]}" ${given[@]+"${given[@]}"} > "$work/manifests"
  sed -nE 's/.*image: "?([^" ]*-(api|ui|worker|mlflow):[^" ]+).*/\2 \1/p' "$work/manifests" | sort -u > "$work/images"
  [ -s "$work/images" ] || fail "The values name no image of ours: their names end in -api, -ui, -worker and -mlflow."
}

say "The chart"
chart=$work/$release
mkdir "$chart"
(cd "$root" && cp -R Chart.yaml Chart.lock .helmignore values.yaml values.schema.json templates dashboards alerts charts "$chart")
values=(--values "$root/values/laptop.yaml")
stack=kube-prometheus-stack
if $monitoring; then
  in_helm dependency build "$chart" || fail "$stack could not be fetched. Run this script again with --without-monitoring."
  # The laptop's quota leaves no room for it during a change to blue-green.
  values+=(--set "$stack.enabled=true,global.monitoring.enabled=true,quota.enabled=false")
elif [ ! -e "$chart/charts/$stack" ]; then
  # Helm wants every dependency to be there, also one that is off.
  mkdir "$chart/charts/$stack"
  version=$(sed -n "/name: $stack/,/version:/s/ *version: *//p" "$chart/Chart.yaml")
  printf 'apiVersion: v2\nname: %s\nversion: %s\n' "$stack" "$version" > "$chart/charts/$stack/Chart.yaml"
fi

say "The images"
images
while read -r target image <&3; do
  id=$(build "$target" "$image")
  [ -z "$id" ] || printf '%s %s %s\n' "$target" "$image" "$id" >> "$work/built"
done 3< "$work/images"
if [ -s "$work/built" ]; then
  # A tag that says what is in the images: pods and the Job of the flows start anew when that changes, and only then.
  version=$(sed -n 's/^appVersion: *//p' "$chart/Chart.yaml")
  values+=(--set "global.image.tag=$version-$(cksum < "$work/built" | cut -d ' ' -f 1)")
  cp "$work/images" "$work/first"
  images
fi
while read -r target image <&3; do
  if [ -s "$work/built" ] && ! grep -qxF "$target $image" "$work/first"; then
    if [ -n "${BUILD:-}" ]; then
      build "$target" "$image" > /dev/null
    else
      docker tag "$(sed -n "s/^$target [^ ]* //p" "$work/built" | head -n 1)" "$image"
    fi
  fi
  printf '%s\n' "$image"
  load "$image"
done 3< "$work/images"

say "The release; waiting until every part is ready and every Job is done, $timeout at most"
in_helm upgrade --install "$release" "$chart" --create-namespace "${values[@]}" ${given[@]+"${given[@]}"} \
  --wait --wait-for-jobs --timeout "$timeout" > /dev/null || {
  in_kubectl get pods >&2 || true
  fail "The release is not ready. This says why: $kubectl --context $context --namespace $namespace describe pods
Then run this script again, for example with TIMEOUT=30m."
}

say "A prediction: docs/pictures/dandelion.jpg"
"$kubectl" --context "$context" --namespace "$namespace" port-forward "service/$release-api" :8000 > "$work/forward" &
forward=$!
until port=$(sed -n 's/^Forwarding from 127.0.0.1:\([0-9]*\).*/\1/p' "$work/forward") && [ -n "$port" ]; do
  kill -0 "$forward" 2> /dev/null || fail "kubectl could not forward a port to the API."
  sleep 0.2
done
# A proxy of the environment does not know this machine's ports.
curl --noproxy '*' --fail --silent --show-error --form "file=@$root/docs/pictures/dandelion.jpg" \
  "http://127.0.0.1:$port/predict"
printf '\n\n'

in_helm get notes "$release"
if [ "$("$kubectl" config current-context 2> /dev/null)" != "$context" ]; then
  printf '\nkubectl speaks to another cluster. Before you use the commands above: kubectl config use-context %s\n' "$context"
fi
printf '\nTo delete everything: %s\n' "$delete"
