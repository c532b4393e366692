package process

import "syscall"

func childAttributes(spec Spec) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{
		Setpgid:    true,
		Credential: spec.Credential,
		Pdeathsig:  spec.DeathSignal,
	}
}
