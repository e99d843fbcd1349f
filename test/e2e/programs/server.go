// A program that needs what a bare image lacks: time zones, a place for temporary files, and certificates.
package main

import (
	"crypto/x509"
	"fmt"
	"os"
	"time"
)

func main() {
	zone, err := time.LoadLocation("Etc/GMT-2")
	if err != nil {
		panic(err)
	}
	_, offset := time.Now().In(zone).Zone()
	if _, err := os.CreateTemp("", "x"); err != nil {
		panic(err)
	}
	_, err = x509.SystemCertPool()
	fmt.Printf("ready UTC+%d %v\n", offset/3600, err == nil)
	time.Sleep(10 * time.Minute)
}
