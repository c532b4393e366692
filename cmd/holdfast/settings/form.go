package settings

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"

	grpcapi "github.com/holdfast-pay/holdfast/api/grpc"
	"github.com/holdfast-pay/holdfast/codec"
	"github.com/holdfast-pay/holdfast/identity"
	"github.com/holdfast-pay/holdfast/payment"
)

// Off is an address that is not listened on, where a default or an env file has one.
const Off = "off"

// form brings a text into its one form, and refuses what does not look like it. A wrong one stays, so that it is not
// called missing as well.
func form(kind, text string) (string, error) {
	switch kind {
	case "address":
		return listenAddress(text)
	case "url":
		at, err := url.Parse(text)
		if err != nil || at.Host == "" || at.Scheme != "http" && at.Scheme != "https" {
			return text, errors.New("Use a URL that begins with http:// or https://.")
		}
	case "origins":
		at, err := url.Parse(text)
		if err != nil || at.Scheme+"://"+at.Host != text || at.Scheme != "http" && at.Scheme != "https" {
			return text, errors.New("Use origins like https://wallet.example, without a path, separated by commas.")
		}
	case "prefix":
		const longest = 16
		if len(text) > longest || strings.Trim(strings.ToLower(text), "abcdefghijklmnopqrstuvwxyz0123456789") != "" {
			return text, errors.New("Use 1 to 16 letters and digits.")
		}
	case "build":
		const longest = 64
		if len(text) > longest || strings.Trim(strings.ToLower(text), "abcdefghijklmnopqrstuvwxyz0123456789.-_") != "" || text == "none" {
			return text, errors.New("Use 1 to 64 letters, digits, dots, hyphens and underscores, not \"none\": a version, or a commit.")
		}
	case "payloadkeys":
		if _, err := codec.ParseKeys(text); err != nil {
			coded, _ := errors.AsType[*payment.Error](err)
			return text, errors.New(coded.Message)
		}
	case "token":
		if len(text) < grpcapi.MinToken || strings.ContainsAny(text, " \t\r\n") {
			return text, fmt.Errorf("Use at least %d characters without spaces, from a random source.", grpcapi.MinToken)
		}
	}
	return text, nil
}

// listenAddress takes host:port, and the URL that a devnet writes for people: http://host:port. Off is empty.
func listenAddress(text string) (string, error) {
	if text == Off {
		return "", nil
	}
	address := strings.TrimSuffix(strings.TrimPrefix(text, "http://"), "/")
	_, port, err := net.SplitHostPort(address)
	number, portErr := strconv.Atoi(port)
	if err != nil || portErr != nil || number < 0 || number > 65535 {
		return text, errors.New("Use host:port, like 127.0.0.1:8080, or off.")
	}
	return address, nil
}

func unknownSignature(names []string) bool {
	return slices.ContainsFunc(names, func(name string) bool { return !slices.Contains(identity.Signatures(), name) })
}
