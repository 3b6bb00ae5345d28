/* Words of telnet as string literals, for tables of conversations. */
#ifndef CHARDEV_TEST_TELNET_WORDS_H
#define CHARDEV_TEST_TELNET_WORDS_H

#define IAC  "\377"
#define DONT IAC "\376"
#define DO   IAC "\375"
#define WONT IAC "\374"
#define WILL IAC "\373"
#define SB   IAC "\372"
#define GA   IAC "\371"
#define EL   IAC "\370"
#define EC   IAC "\367"
#define AYT  IAC "\366"
#define AO   IAC "\365"
#define IP   IAC "\364"
#define BRK  IAC "\363"
#define DM   IAC "\362"
#define NOP  IAC "\361"
#define SE   IAC "\360"

#define BINARY   "\0"
#define ECHO_    "\1"
#define SGA      "\3"
#define TTYPE    "\30"
#define NAWS     "\37"
#define LINEMODE "\42"
#define PORT     "\54"

/* What each side says first. */
#define SERVER_OPENING WILL ECHO_ WILL SGA WILL BINARY DO BINARY DO NAWS
#define CLIENT_OPENING DO SGA WILL BINARY DO BINARY WILL PORT

/* A literal's bytes and how many they are. */
#define LITERAL(text) text, sizeof(text) - 1

#endif
