package starter

import "github.com/holdfast-pay/holdfast/lndclient"

// CheckAddress says what is wrong with an on-chain address that a user gave, for our network. No I/O. Errors: ReasonInvalidAddress.
func (s *Starter) CheckAddress(address string) error {
	_, err := lndclient.DecodeAddress(address, s.cfg.Network)
	return err
}
