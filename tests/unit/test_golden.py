"""The configuration of a submission's container, key by key."""

from grader.sandbox import golden

GOLDEN = {
    "CapDrop": ["ALL"],
    "CgroupnsMode": "private",
    "CpuShares": 512,
    "Dns": ["127.0.0.1"],
    "DnsOptions": ["timeout:1", "attempts:1"],
    "DnsSearch": ["."],
    "ExtraHosts": ["facility:10.233.0.20"],
    "Init": True,
    "IpcMode": "private",
    "LogConfig": {"Type": "json-file", "Config": {"max-size": "1m", "max-file": "2"}},
    "Memory": 512 * golden.MIB,
    "MemorySwap": 512 * golden.MIB,
    "NanoCpus": 1_000_000_000,
    "NetworkMode": "front-id",
    "OomScoreAdj": 500,
    "PidsLimit": 128,
    "ReadonlyRootfs": True,
    "RestartPolicy": {"Name": "no", "MaximumRetryCount": 0},
    "SecurityOpt": ["no-new-privileges:true"],
    "ShmSize": 16 * golden.MIB,
    "Sysctls": {"net.ipv6.conf.all.disable_ipv6": "1"},
    "Tmpfs": {"/tmp": "rw,nosuid,nodev,noexec,size=64m,nr_inodes=8192,mode=1777"},
    "Ulimits": [
        {"Name": "core", "Soft": 0, "Hard": 0},
        {"Name": "fsize", "Soft": 64 * golden.MIB, "Hard": 64 * golden.MIB},
        {"Name": "nofile", "Soft": 1024, "Hard": 1024},
    ],
}


def app_config() -> dict[str, object]:
    """The create call of an app with ordinary limits."""
    shape = golden.app_shape(
        uid=20_007, start=("python", "-m", "x", "--port", "$PORT"), environment={"PORT": "8080"}, memory=512, cpus=1.0
    )
    return golden.container_config(
        shape,
        image="sha256:abc",
        network="front-id",
        address="10.233.0.2",
        hosts={"facility": "10.233.0.20"},
        labels={"grader.run": "r"},
    )


def test_host_config_of_an_app_is_exactly_the_golden_one() -> None:
    """Nothing is added to, or missing from, what a submission may do."""
    assert app_config()["HostConfig"] == GOLDEN


def test_everything_the_image_could_set_is_overridden() -> None:
    """User, entrypoint, command, health check, stop signal and folder come from us."""
    config = app_config()
    del config["HostConfig"]
    assert config == {
        "AttachStdin": False,
        "Cmd": ["python", "-m", "x", "--port", "8080"],
        "Domainname": "",
        "Entrypoint": ["/usr/local/bin/tighten"],
        "Env": ["PORT=8080"],
        "Healthcheck": {"Test": ["NONE"]},
        "Hostname": "sandbox",
        "Image": "sha256:abc",
        "Labels": {"grader.run": "r"},
        "NetworkingConfig": {"EndpointsConfig": {"front-id": {"IPAMConfig": {"IPv4Address": "10.233.0.2"}}}},
        "OpenStdin": False,
        "StdinOnce": False,
        "StopSignal": "SIGTERM",
        "Tty": False,
        "User": "20007:20007",
        "WorkingDir": "/app",
    }


def test_every_shape_drops_privileges() -> None:
    """No container of ours runs as root, with a capability, without limits or with a host mount."""
    shapes = [
        golden.app_shape(uid=20_000, start=(), environment={}, memory=1, cpus=1),
        golden.probe_shape(user="10001:10001"),
        golden.agency_shape(user="10002:10002", environment={}),
        golden.builder_shape(user="10001:10001", environment={}, target="/opt/packages"),
        golden.gateway_shape(user="10001:10001", environment={}),
        golden.diagnose_shape(user="20000:20000", command=["look"]),
    ]
    for shape in shapes:
        config = golden.container_config(shape, image="i", network="n", address=None, hosts={}, labels={})
        host = config["HostConfig"]
        assert not config["User"].startswith(("0", "root"))
        assert host["CapDrop"] == ["ALL"]
        assert host["ReadonlyRootfs"] is True
        assert host["SecurityOpt"] == ["no-new-privileges:true"]
        assert 0 < host["PidsLimit"] <= 256
        assert 0 < host["Memory"] == host["MemorySwap"]
        assert not {"Binds", "Mounts", "Devices", "Privileged", "VolumesFrom", "PidMode"} & set(host)


def test_a_container_without_network_gets_no_sysctl_of_one() -> None:
    """The engine refuses network settings where there is no network of its own."""
    config = golden.container_config(
        golden.diagnose_shape(user="1:1", command=["look"]),
        image="i",
        network="none",
        address=None,
        hosts={},
        labels={},
    )
    assert config["HostConfig"]["Sysctls"] == {}
    assert "NetworkingConfig" not in config


def test_packages_are_installed_where_they_will_lie() -> None:
    """The builder's only room beside /tmp is the folder of the runtime's packages."""
    shape = golden.builder_shape(user="10001:10001", environment={}, target="/opt/packages")
    assert set(shape.tmpfs) == {"/opt/packages", "/tmp"}
    assert shape.entrypoint == ["python3", "-I", "/usr/local/lib/grader/installer"]


def test_a_diagnosis_runs_under_the_filter() -> None:
    """The runtime's own command, with the system-call filter before it and next to nothing to write to."""
    shape = golden.diagnose_shape(user="20000:20000", command=["look", "here"])
    assert (shape.entrypoint, shape.command) == ([golden.TIGHTEN], ["look", "here"])
    assert set(shape.tmpfs) == {"/tmp"}
