package settings

import (
	"slices"
	"strings"

	"github.com/holdfast-pay/holdfast/lndclient"
	"github.com/holdfast-pay/holdfast/payment"
)

// Names of the settings in the environment and in an env file. Those of a node are LND_<NAME>_RPC, _TLS and _MACAROON.
const (
	DatabaseURL     = "DATABASE_URL"
	TemporalAddress = "TEMPORAL_ADDRESS"
	Network         = "HOLDFAST_NETWORK"
	Nodes           = "HOLDFAST_NODES"
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

// Settings answers from the first source that has a value; empty counts as not set.
type Settings struct{ sources []Source }

// New takes the sources in the order of their weight: flags, environment, env file.
func New(sources ...Source) Settings { return Settings{sources: sources} }

// Get is a setting that may be missing.
func (s Settings) Get(name string) (string, bool) {
	for _, source := range s.sources {
		if value, found := source(name); found && value != "" {
			return value, true
		}
	}
	return "", false
}

// Need is a setting that must be there. Errors: ReasonInvalidInput.
func (s Settings) Need(name string) (string, error) {
	value, found := s.Get(name)
	if !found {
		return "", payment.Errorf(payment.ReasonInvalidInput, "%s is not set. Set it in the environment%s, or run `make dev`.", name, flagOf(name))
	}
	return value, nil
}

func flagOf(name string) string {
	switch name {
	case DatabaseURL:
		return " or with --database-url"
	case TemporalAddress:
		return " or with --temporal-address"
	case Network:
		return " or with --network"
	case Nodes:
		return " or with --nodes"
	default:
		return ""
	}
}

// Network is the chain that payments are on. Errors: ReasonInvalidInput where it is missing or unknown.
func (s Settings) Network() (string, error) {
	network, err := s.Need(Network)
	known := []string{lndclient.Mainnet, lndclient.Testnet, lndclient.Testnet4, lndclient.Signet, lndclient.Regtest}
	if err == nil && !slices.Contains(known, network) {
		err = payment.Errorf(payment.ReasonInvalidInput, "%s is %q. Use one of %s.", Network, network, strings.Join(known, ", "))
	}
	return network, err
}

// Nodes names our LND nodes; the first one sends and receives. Errors: ReasonInvalidInput.
func (s Settings) Nodes() ([]string, error) {
	list, err := s.Need(Nodes)
	if err != nil {
		return nil, err
	}
	var names []string
	for name := range strings.SplitSeq(list, ",") {
		name = strings.TrimSpace(name)
		if name == "" || slices.Contains(names, name) || strings.Trim(strings.ToLower(name), "abcdefghijklmnopqrstuvwxyz0123456789_-") != "" {
			return nil, payment.Errorf(payment.ReasonInvalidInput,
				"%s is %q. Use different names of letters, digits, - and _, separated by commas.", Nodes, list)
		}
		names = append(names, name)
	}
	return names, nil
}

// Node says how to reach one LND node. Errors: ReasonInvalidInput.
func (s Settings) Node(name string) (lndclient.Config, error) {
	network, err := s.Network()
	cfg := lndclient.Config{Name: name, Network: network}
	prefix := "LND_" + strings.ToUpper(strings.ReplaceAll(name, "-", "_")) + "_"
	for _, need := range []struct {
		name string
		into *string
	}{{"RPC", &cfg.Address}, {"TLS", &cfg.TLSCertPath}, {"MACAROON", &cfg.MacaroonPath}} {
		if err == nil {
			*need.into, err = s.Need(prefix + need.name)
		}
	}
	return cfg, err
}
