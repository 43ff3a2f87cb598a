// go-mail, as its users send many: goroutines with a client each, connections kept, one message built anew for each reader.
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"strconv"
	"strings"
	"sync"

	"github.com/wneessen/go-mail"
)

func read(path string) string {
	data, err := os.ReadFile(path)
	if err != nil {
		log.Fatal(err)
	}
	return string(data)
}

func main() {
	port, _ := strconv.Atoi(os.Args[1])
	lines, _ := strconv.Atoi(os.Args[2])
	count, _ := strconv.Atoi(os.Args[3])
	html, text, host := read(os.Args[4]), read(os.Args[5]), os.Args[6]
	numbers := make(chan int)
	var group sync.WaitGroup
	for line := 0; line < lines; line++ {
		group.Add(1)
		go func() {
			defer group.Done()
			client, err := mail.NewClient(host, mail.WithPort(port), mail.WithTLSPolicy(mail.NoTLS), mail.WithoutNoop())
			if err != nil {
				log.Fatal(err)
			}
			if err := client.DialWithContext(context.Background()); err != nil {
				log.Fatal(err)
			}
			defer client.Close()
			for number := range numbers {
				name := fmt.Sprintf("Reader %d", number)
				message := mail.NewMsg()
				if err := message.From("ada@example.org"); err != nil {
					log.Fatal(err)
				}
				if err := message.AddToFormat(name, fmt.Sprintf("reader%d@example.net", number)); err != nil {
					log.Fatal(err)
				}
				message.Subject("A long letter")
				message.SetMessageID()
				message.SetDate()
				message.SetBodyString(mail.TypeTextPlain, strings.ReplaceAll(text, "READER", name))
				message.AddAlternativeString(mail.TypeTextHTML, strings.ReplaceAll(html, "READER", name))
				if err := client.Send(message); err != nil {
					log.Fatal(err)
				}
			}
		}()
	}
	for number := 0; number < count; number++ {
		numbers <- number
	}
	close(numbers)
	group.Wait()
}
