package settings

import (
	"slices"
	"strings"

	"github.com/holdfast-pay/holdfast/lndclient"
	"github.com/holdfast-pay/holdfast/payment"
)

// Names of the settings in the environment and in an env file. Those of a node are LND_<NAME>_RPC, _TLS and _MACAROON;
// those of the server processes are in Server.
const (
	DatabaseURL     = "DATABASE_URL"
	TemporalAddress = "TEMPORAL_ADDRESS"
	Network         = "HOLDFAST_NETWORK"
	Nodes           = "HOLDFAST_NODES"
	PayloadKeys     = "HOLDFAST_PAYLOAD_KEYS"
)

// Source looks a setting up.
type Source func(name string) (value string, found bool)

// From makes a source of a map.
func From(values map[string]string) Source {
	return func(name string) (string, bool) {
		value, found := values[name]
		return value, found
	}
}

// Origin says where a setting comes from.
type Origin string

// Origins, in the order of their weight.
const (
	ByFlag        Origin = "flag"
	ByEnvironment Origin = "environment"
	ByFile        Origin = "file"
	ByDefault     Origin = "default"
	NotSet        Origin = "not set"
)

var origins = [...]Origin{ByFlag, ByEnvironment, ByFile}

// Settings answers from the first source that has a value; empty counts as not set.
type Settings struct{ sources []Source }

// New takes the sources in the order of their weight: flags, environment, env file.
func New(sources ...Source) Settings {
	return Settings{sources: sources[:min(len(sources), len(origins))]}
}

// Get is a setting that may be missing.
func (s Settings) Get(name string) (string, bool) {
	value, _, found := s.find(name)
	return value, found
}

func (s Settings) find(name string) (string, Origin, bool) {
	for i, source := range s.sources {
		if value, found := source(name); found && value != "" {
			return value, origins[i], true
		}
	}
	return "", NotSet, false
}

// Need is a setting that must be there. Errors: ReasonInvalidInput.
func (s Settings) Need(name string) (string, error) {
	value, found := s.Get(name)
	if !found {
		return "", payment.Errorf(payment.ReasonInvalidInput, "%s", missing(name))
	}
	return value, nil
}

func missing(name string) string {
	with := ""
	if flag := flagOf(name); flag != "" {
		with = " or with --" + flag
	}
	return name + " is not set. Set it in the environment" + with + ", or run `make dev`."
}

// Network is the chain that payments are on. Errors: ReasonInvalidInput where it is missing or unknown.
func (s Settings) Network() (string, error) {
	network, err := s.Need(Network)
	if err != nil {
		return "", err
	}
	return network, asInput(knownNetwork(network))
}

func knownNetwork(network string) error {
	known := []string{lndclient.Mainnet, lndclient.Testnet, lndclient.Testnet4, lndclient.Signet, lndclient.Regtest}
	if slices.Contains(known, network) {
		return nil
	}
	return wrong(Network, network, "Use one of %s.", strings.Join(known, ", "))
}

// Nodes names our LND nodes; the first one sends and receives. Errors: ReasonInvalidInput.
func (s Settings) Nodes() ([]string, error) {
	list, err := s.Need(Nodes)
	if err != nil {
		return nil, err
	}
	names := splitList(list)
	if err := nodeNames(names, list); err != nil {
		return nil, asInput(err)
	}
	return names, nil
}

func nodeNames(names []string, list string) error {
	for i, name := range names {
		if name == "" || slices.Contains(names[:i], name) || strings.Trim(strings.ToLower(name), "abcdefghijklmnopqrstuvwxyz0123456789_-") != "" {
			return wrong(Nodes, list, "Use different names of letters, digits, - and _, separated by commas.")
		}
	}
	return nil
}

// Node says how to reach one LND node. Errors: ReasonInvalidInput.
func (s Settings) Node(name string) (lndclient.Config, error) {
	network, err := s.Network()
	cfg := lndclient.Config{Name: name, Network: network}
	names := nodeSettings(name)
	for i, into := range []*string{&cfg.Address, &cfg.TLSCertPath, &cfg.MacaroonPath} {
		if err == nil {
			*into, err = s.Need(names[i])
		}
	}
	return cfg, err
}

// nodeSettings are the names of a node's address, certificate and macaroon.
func nodeSettings(node string) [3]string {
	prefix := "LND_" + strings.ToUpper(strings.ReplaceAll(node, "-", "_")) + "_"
	return [3]string{prefix + "RPC", prefix + "TLS", prefix + "MACAROON"}
}
