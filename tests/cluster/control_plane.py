"""The control plane of one Kubernetes cluster: etcd, API server, controllers and scheduler, with their certificates."""

from __future__ import annotations

import base64
import json

from tests.cluster.clients import Kubectl
from tests.cluster.namespace import Namespace, quick
from tests.servers import tools

NODE = "node-1"
SERVICES = "10.96.0.0/16"
SERVICES_IPV6 = "fd00:10:96::/112"
API_SERVICE = "10.96.0.1"


class ControlPlane:
    """Listens on an address that this machine reaches.

    Args:
        namespace: Where it runs; it listens on port 6443 of its address.
        kubectl: Speaks to it.
        services: Networks of Services, one of each family.
    """

    def __init__(self, namespace: Namespace, kubectl: Kubectl, services: str = SERVICES) -> None:
        self._services = services
        self._space = namespace
        self._kubectl = kubectl
        self._folder = namespace.folder
        self._keys = namespace.folder / "pki"

    @property
    def url(self) -> str:
        return f"https://{self._space.address}:6443"

    def start(self) -> None:
        """Start it all."""
        self._certify()
        space, keys, folder = self._space, self._keys, self._folder
        # What is lost with the machine is not missed, so nothing is written through to the disk.
        space.start(
            *("etcd", tools.find("etcd"), "--data-dir", folder / "etcd", "--unsafe-no-fsync", "--log-level", "error")
        )
        space.start(
            *("apiserver", tools.find("kube-apiserver"), "--etcd-servers=http://127.0.0.1:2379"),
            *(f"--advertise-address={space.address}", f"--service-cluster-ip-range={self._services}"),
            *(f"--tls-cert-file={keys}/apiserver.crt", f"--tls-private-key-file={keys}/apiserver.key"),
            *(f"--client-ca-file={keys}/ca.crt", "--authorization-mode=Node,RBAC"),
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={keys}/sa.pub",
            f"--service-account-signing-key-file={keys}/sa.key",
            "--kubelet-preferred-address-types=InternalIP",
            *(f"--kubelet-client-certificate={keys}/admin.crt", f"--kubelet-client-key={keys}/admin.key"),
            f"--kubelet-certificate-authority={keys}/ca.crt",
            *(f"--proxy-client-cert-file={keys}/aggregator.crt", f"--proxy-client-key-file={keys}/aggregator.key"),
            f"--requestheader-client-ca-file={keys}/ca.crt",
            *("--requestheader-allowed-names=aggregator", "--requestheader-username-headers=X-Remote-User"),
            "--requestheader-group-headers=X-Remote-Group",
            "--requestheader-extra-headers-prefix=X-Remote-Extra-",
            *("--enable-aggregator-routing=true", "--enable-admission-plugins=NodeRestriction"),
            "--allow-privileged=true",
            # Policies that change pods, as OpenShift's admission does; beta, and so off, before 1.36.
            *(
                "--feature-gates=MutatingAdmissionPolicy=true",
                "--runtime-config=admissionregistration.k8s.io/v1beta1=true",
            ),
        )
        space.wait_for("apiserver", lambda: self._kubectl.succeeds("get", "--raw", "/readyz"))
        space.start(
            *("controllers", tools.find("kube-controller-manager"), f"--kubeconfig={folder}/controllers.conf"),
            f"--authentication-kubeconfig={folder}/controllers.conf",
            f"--authorization-kubeconfig={folder}/controllers.conf",
            *(f"--service-account-private-key-file={keys}/sa.key", f"--root-ca-file={keys}/ca.crt"),
            *(f"--cluster-signing-cert-file={keys}/ca.crt", f"--cluster-signing-key-file={keys}/ca.key"),
            *("--use-service-account-credentials=true", "--leader-elect=false"),
        )
        scheduler = tools.find("kube-scheduler")
        space.start("scheduler", scheduler, f"--kubeconfig={folder}/scheduler.conf", "--leader-elect=false")
        space.wait_for(
            "controllers", lambda: self._kubectl.succeeds("-n", "default", "get", "serviceaccount", "default")
        )

    def _certify(self) -> None:
        """Certificates of an authority of its own, and the files that components sign in with."""
        self._keys.mkdir()
        ca = ["-keyout", self._keys / "ca.key", "-out", self._keys / "ca.crt", "-subj", "/CN=dandelion-tests"]
        quick("openssl", "req", "-x509", *_NEW_KEY, *ca)
        quick("openssl", "genrsa", "-out", self._keys / "sa.key", "2048")
        quick("openssl", "rsa", "-in", self._keys / "sa.key", "-pubout", "-out", self._keys / "sa.pub")
        names = ["kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local"]
        addresses = [API_SERVICE, self._space.address, "127.0.0.1"]
        self._sign("apiserver", "kube-apiserver", "kubernetes", names, addresses)
        self._sign("kubelet", f"system:node:{NODE}", "system:nodes", [NODE], [self._space.address])
        self._sign("admin", "admin", "system:masters")
        self._sign("controllers", "system:kube-controller-manager", "kubernetes")
        self._sign("scheduler", "system:kube-scheduler", "kubernetes")
        self._sign("proxy", "system:kube-proxy", "kubernetes")
        self._sign("aggregator", "aggregator", "kubernetes")
        for user in ("admin", "controllers", "scheduler", "kubelet", "proxy"):
            self._write_kubeconfig(user)

    def _sign(
        self, file: str, name: str, group: str, hosts: list[str] | None = None, addresses: list[str] | None = None
    ) -> None:
        subject = ",".join([*(f"DNS:{each}" for each in hosts or [file]), *(f"IP:{each}" for each in addresses or [])])
        pair = ["-keyout", self._keys / f"{file}.key", "-out", self._keys / f"{file}.crt"]
        authority = ["-CA", self._keys / "ca.crt", "-CAkey", self._keys / "ca.key"]
        usage = ["-addext", "extendedKeyUsage=serverAuth,clientAuth", "-addext", "basicConstraints=critical,CA:FALSE"]
        what = ["-subj", f"/O={group}/CN={name}", "-addext", f"subjectAltName={subject}"]
        quick("openssl", "req", "-x509", *_NEW_KEY, *pair, *authority, *what, *usage)

    def _write_kubeconfig(self, user: str) -> None:
        def data(file: str) -> str:
            return base64.b64encode((self._keys / file).read_bytes()).decode()

        cluster = {"server": self.url, "certificate-authority-data": data("ca.crt")}
        signs_in = {"client-certificate-data": data(f"{user}.crt"), "client-key-data": data(f"{user}.key")}
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "tests", "cluster": cluster}],
            "users": [{"name": user, "user": signs_in}],
            "contexts": [{"name": "tests", "context": {"cluster": "tests", "user": user}}],
            "current-context": "tests",
        }
        path = self._folder / f"{user}.conf"
        path.write_text(json.dumps(config))
        path.chmod(0o600)


_NEW_KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30"]
