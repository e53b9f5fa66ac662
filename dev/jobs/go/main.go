// SPDX-License-Identifier: GPL-2.0-or-later

// Goroutines that hash, and what they found as JSON.
package main

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"regexp"
	"sort"
	"strings"
	"sync"
)

type sum struct {
	Name  string
	Hash  string
	Roots []float64
}

func main() {
	var all []sum
	var mutex sync.Mutex
	var group sync.WaitGroup
	digits := regexp.MustCompile(`[0-9]+`)
	for i := 0; i < 200; i++ {
		group.Add(1)
		go func(i int) {
			defer group.Done()
			text := strings.Repeat(fmt.Sprintf("text %d of them\n", i), 100+i)
			s := sum{digits.FindString(text), fmt.Sprintf("%x", sha256.Sum256([]byte(text))), nil}
			for n := 1; n < 5; n++ {
				s.Roots = append(s.Roots, math.Pow(float64(i), 1/float64(n)))
			}
			mutex.Lock()
			all = append(all, s)
			mutex.Unlock()
		}(i)
	}
	group.Wait()
	sort.Slice(all, func(i, j int) bool { return all[i].Hash < all[j].Hash })
	if err := json.NewEncoder(os.Stdout).Encode(all); err != nil {
		panic(err)
	}
}
