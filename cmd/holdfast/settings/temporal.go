package settings

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"os"
	"strconv"
	"strings"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/contrib/envconfig"

	"github.com/holdfast-pay/holdfast/payment"
)

// Names of the settings of Temporal that belong together.
const (
	temporalTLS        = "TEMPORAL_TLS"
	temporalServerCA   = "TEMPORAL_TLS_SERVER_CA_CERT_PATH"
	temporalServerName = "TEMPORAL_TLS_SERVER_NAME"
	temporalClientCert = "TEMPORAL_TLS_CLIENT_CERT_PATH"
	temporalClientKey  = "TEMPORAL_TLS_CLIENT_KEY_PATH"
	temporalAPIKey     = "TEMPORAL_API_KEY" //nolint:gosec // its name
)

// Temporal says how to reach Temporal: address, namespace, TLS and API key. Errors: ReasonInvalidInput, with all mistakes at once.
func (s Settings) Temporal() (client.Options, error) {
	if _, err := s.Need(TemporalAddress); err != nil {
		return client.Options{}, err
	}
	if mistakes := append(s.fillAll(&Temporal{}), s.temporalMistakes()...); len(mistakes) > 0 {
		return client.Options{}, together(mistakes)
	}
	options, err := s.temporalOptions()
	if err != nil {
		return options, asInput(mistake("The settings of Temporal do not fit each other: " + err.Error() + "."))
	}
	if options.Namespace == "" {
		options.Namespace = client.DefaultNamespace
	}
	return options, nil
}

// temporalOptions reads the settings as Temporal's own tools do. A file of theirs is not looked at: what is in force is what
// `holdfast config` shows.
func (s Settings) temporalOptions() (client.Options, error) {
	return envconfig.LoadClientOptions(envconfig.LoadClientOptionsRequest{DisableFile: true, EnvLookup: temporalEnv{s}})
}

// temporalEnv shows Temporal's library the settings that are ours as well, whichever source they come from.
type temporalEnv struct{ settings Settings }

// Environ implements envconfig.EnvLookup.
func (temporalEnv) Environ() []string { return nil }

// LookupEnv implements envconfig.EnvLookup.
func (e temporalEnv) LookupEnv(name string) (string, bool) {
	if flagOf(name) == "" {
		return "", false
	}
	text, found := e.settings.Get(name)
	if on, err := strconv.ParseBool(text); name == temporalTLS && err == nil {
		text = strconv.FormatBool(on) // the library knows fewer words for it
	}
	return text, found
}

// temporalMistakes are settings of TLS that cannot be used, alone or together.
func (s Settings) temporalMistakes() []error {
	mistakes := s.withoutTLS()
	add := func(bad bool, text string) {
		if bad {
			mistakes = append(mistakes, mistake(text))
		}
	}
	if path, found := s.Get(temporalServerCA); found {
		pem, err := os.ReadFile(path) //nolint:gosec // the operator names it
		add(err != nil, label(temporalServerCA)+" is \""+path+"\", which cannot be read. Give the path of a PEM file.")
		add(err == nil && !x509.NewCertPool().AppendCertsFromPEM(pem), label(temporalServerCA)+" is \""+path+"\", which holds no certificate. Give the path of a PEM file.")
	}
	cert, hasCert := s.Get(temporalClientCert)
	key, hasKey := s.Get(temporalClientKey)
	add(hasCert != hasKey, label(temporalClientCert)+" and "+label(temporalClientKey)+" belong together. Set both.")
	if hasCert && hasKey {
		_, err := tls.LoadX509KeyPair(cert, key)
		add(err != nil, label(temporalClientCert)+" is \""+cert+"\" and "+label(temporalClientKey)+" is \""+key+"\", which are no certificate and key of it. Give the paths of two PEM files that belong together.")
	}
	return mistakes
}

// withoutTLS names what would have no effect, or go over the network in the clear, where TLS is turned off.
func (s Settings) withoutTLS() []error {
	text, found := s.Get(temporalTLS)
	on, err := strconv.ParseBool(text)
	if !found || on || err != nil { // no word for true or false is named where it is decoded
		return nil
	}
	var mistakes []error
	for _, name := range []string{temporalServerCA, temporalServerName, temporalClientCert, temporalClientKey, temporalAPIKey} {
		if _, found := s.Get(name); found {
			mistakes = append(mistakes, mistake(label(temporalTLS)+" is false, and "+label(name)+" needs TLS. Take one of them away."))
		}
	}
	return mistakes
}

// TemporalAway says what to look at when Temporal could not be reached by these options, and why.
func TemporalAway(by client.Options, why error) *payment.Error {
	advice := "Temporal at %s does not answer. Check that it runs, that TEMPORAL_ADDRESS is right, and that TEMPORAL_TLS is true if it wants TLS."
	if by.ConnectionOptions.TLS != nil { // by TLS 1.3 a server refuses a certificate after the handshake, and its word may not arrive
		advice = "Temporal at %s does not answer, or hangs up. Check that it runs, that TEMPORAL_ADDRESS is right, that it uses TLS, " +
			"and that it knows the authority of TEMPORAL_TLS_CLIENT_CERT_PATH if it wants a certificate."
	}
	_, denied := errors.AsType[*serviceerror.PermissionDenied](why)
	switch text := why.Error(); {
	case denied, strings.Contains(text, "Unauthenticated"):
		advice = "Temporal at %s refuses this client. Check that TEMPORAL_API_KEY or the client's certificate is for TEMPORAL_NAMESPACE."
	case strings.Contains(text, "x509: "), strings.Contains(text, "tls: "):
		advice = "Temporal at %s and this client do not accept each other's certificates. Check TEMPORAL_TLS_SERVER_CA_CERT_PATH, " +
			"TEMPORAL_TLS_SERVER_NAME, TEMPORAL_TLS_CLIENT_CERT_PATH and TEMPORAL_TLS_CLIENT_KEY_PATH; --log-level debug tells more."
	}
	return payment.Errorf(payment.ReasonUnavailable, advice, by.HostPort).Because(why)
}
